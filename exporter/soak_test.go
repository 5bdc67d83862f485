package exporter_test

import (
	"context"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"cdr2otel/internal/otlptest"
)

// soakEnv is how long the soak test runs; it is skipped unless set.
const soakEnv = "CDR2OTEL_TEST_SOAK"

func TestALongTimeOfLoadOutagesReloadsAndKillsLosesNothing(t *testing.T) {
	duration, err := time.ParseDuration(os.Getenv(soakEnv))
	if err != nil {
		t.Skip("takes minutes: make soak runs it, or set " + soakEnv + "=10m")
	}
	seen, faults := newSightings(), newFaults()
	receiver := otlptest.New(t, otlptest.Options{OnRequest: seen.note, Answer: faults.answer, Discard: true})
	c := newCrash(t, receiver, seen, faults)
	c.mayRefuse = true
	c.patience += duration // what waited through the outages
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var posters sync.WaitGroup
	for n := range 4 {
		posters.Go(func() { c.post(ctx, rand.New(rand.NewPCG(4, uint64(n))), n) })
	}
	c.launch()
	happened := map[string]int{}
	random := rand.New(rand.NewPCG(5, 5))
	for end := time.Now().Add(duration); time.Now().Before(end); {
		happened[c.happens(receiver, random)]++
	}
	faults.over.Store(true)
	cancel()
	posters.Wait()
	c.awaitAll()
	dead := c.balance()
	t.Logf("%v; happened: %v; answers of the receiver: %v", duration, happened, faults.given)
	t.Logf("ledger: %v", c.settled())
	t.Logf("%d events acknowledged, %d refused, %d posted without an answer; %d spans received %d times, %d dead letters, lost: 0",
		len(c.acknowledged), c.refused, len(c.unanswered), len(seen.spans), seen.total, dead)
	c.terminate()
}

// happens does one thing to the sidecar or its collector, after some hundred
// acknowledgements, and names it.
func (c *crash) happens(receiver *otlptest.Receiver, random *rand.Rand) string {
	acknowledge := func(n int) {
		for range n {
			<-c.acks
		}
	}
	acknowledge(100 + random.IntN(400))
	switch random.IntN(5) {
	case 0:
		c.kill()
		c.launch()
		return "kill"
	case 1:
		c.terminate()
		c.launch()
		return "restart"
	case 2:
		c.signal(syscall.SIGHUP)
		return "reload"
	case 3:
		receiver.SetDown(true)
		acknowledge(500 + random.IntN(2000))
		receiver.SetDown(false)
		return "outage"
	default:
		c.faults.over.Store(!c.faults.over.Load())
		return "change of weather"
	}
}
