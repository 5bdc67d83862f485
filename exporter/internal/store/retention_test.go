package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
)

// moving is a store whose clock a test moves.
func moving(t *testing.T, change ...func(*store.Config)) (w *world, advance func(time.Duration)) {
	t.Helper()
	var mu sync.Mutex
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	w = &world{t: t, body: 3000, cfg: store.Config{
		URL: "sqlite:" + filepath.Join(t.TempDir(), "cdr2otel.db"), Retention: time.Hour, DeadLetterRetention: time.Hour, KeepBodies: time.Minute,
		Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now },
	}}
	for _, fn := range change {
		fn(&w.cfg)
	}
	w.start()
	return w, func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
}

// acceptAll accepts n calls at once; every tenth is a dead letter.
func (w *world) acceptAll(round, n int) {
	w.t.Helper()
	var posters sync.WaitGroup
	for p := range 20 {
		posters.Go(func() {
			for i := p; i < n; i += 20 {
				e := call(fmt.Sprintf("%d in round %d", i, round), w.body)
				if i%10 == 0 {
					e.DeadReason = "unmappable"
				}
				if _, err := w.store.Accept(w.t.Context(), e); err != nil {
					w.t.Errorf("accept: %v", err)
				}
			}
		})
	}
	posters.Wait()
}

// sweepAll does all housekeeping there is, and tells how long each slice took.
func (w *world) sweepAll() (took []time.Duration) {
	w.t.Helper()
	for {
		began := time.Now()
		n, err := w.store.Sweep(context.Background())
		if err != nil {
			w.t.Errorf("sweep: %v", err)
		}
		if n == 0 || err != nil {
			return took
		}
		took = append(took, time.Since(began))
	}
}

// The pages of what went are used again: round after round the files are as large
// as after the first, and the ledger has counted everything.
func TestTheFileStaysBoundedOverManyRoundsOfRetention(t *testing.T) {
	t.Parallel()
	w, advance := moving(t, func(c *store.Config) { c.MaxSize = 64 << 20 }) // and a log that the first round fills
	const calls, rounds = 200, 8
	var sizes []int64
	for round := range rounds {
		w.acceptAll(round, calls)
		w.deliverAll()
		for range 3 { // bodies, dead letters, then the rows of both
			advance(time.Hour)
			w.sweepAll()
		}
		if n := len(keys(t, w.path())); n != 0 {
			t.Fatalf("%d events are left after round %d", n, round)
		}
		sizes = append(sizes, filesOf(t, w.path()))
	}
	ledger, err := w.store.Ledger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	counts := ledger["s"]
	if counts[store.StateAccepted] != calls*rounds || counts[store.StateExpired] != calls*rounds/10 || counts[store.StateExported] != calls*rounds*9/10 {
		t.Errorf("ledger %v", counts)
	}
	if largest := slices.Max(sizes[1:]); largest > sizes[0]*5/4 {
		t.Errorf("the files grew from %d to %d bytes: %v", sizes[0], largest, sizes)
	}
	t.Logf("%d rounds of %d calls: %d kB after the first, %d kB after the last", rounds, calls, sizes[0]>>10, sizes[rounds-1]>>10)
}

func (w *world) path() string { return w.cfg.URL[len("sqlite:"):] }

// filesOf is what a database and its log take.
func filesOf(t *testing.T, path string) (size int64) {
	t.Helper()
	for _, name := range []string{path, path + "-wal"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return size
}

// While thousands of rows go, an acknowledgement waits for the slice that is being
// written and for its own commit, and no longer. Not in parallel: it measures.
func TestRetentionNeverKeepsAnAcknowledgementWaiting(t *testing.T) {
	w, advance := moving(t)
	const calls = 1000
	w.acceptAll(0, calls)
	w.deliverAll()
	quiet := w.latencies("quiet", func() bool { return false })
	advance(3 * time.Hour) // everything at once
	done := make(chan struct{})
	var swept []time.Duration
	go func() {
		defer close(done)
		swept = w.sweepAll()
	}()
	busy := w.latencies("busy", func() bool {
		select {
		case <-done:
			return false
		default:
			return true
		}
	})
	<-done
	if len(swept) < calls/50 || len(busy) < 50 {
		t.Fatalf("%d slices beside %d acknowledgements: the test measured nothing", len(swept), len(busy))
	}
	t.Logf("%d calls and what hangs from them gone in %d slices, the longest %v; acknowledgements: median %v and longest %v of %d, without a sweep %v and %v of %d",
		calls, len(swept), slices.Max(swept), median(busy), slices.Max(busy), len(busy), median(quiet), slices.Max(quiet), len(quiet))
	if m, limit := median(busy), 2*median(swept)+4*median(quiet)+time.Millisecond; m > limit {
		t.Errorf("the median acknowledgement took %v beside a sweep, want %v at most", m, limit)
	}
	if l, limit := slices.Max(busy), 2*slices.Max(swept)+4*slices.Max(quiet)+20*time.Millisecond; l > limit {
		t.Errorf("the longest acknowledgement took %v beside a sweep, want %v at most", l, limit)
	}
}

// latencies are how long one poster waits for each acknowledgement, of at least 200
// and for as long as more says so.
func (w *world) latencies(name string, more func() bool) (all []time.Duration) {
	w.t.Helper()
	for n := 0; n < 200 || more(); n++ {
		began := time.Now()
		if err := w.accept(fmt.Sprint(name, n)); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, time.Since(began))
	}
	return all
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}
