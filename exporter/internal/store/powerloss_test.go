package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
	"cdr2otel/exporter/internal/store/disktest"
	"cdr2otel/internal/testenv"
)

// lossesOfRun is how often the power fails in one run of the store, at most.
const lossesOfRun = 45

// What a power loss leaves is what was synced, and of the rest each sector in any
// of its states. Whatever that is, the next start holds everything that was
// acknowledged before, and it takes no such loss for damage.
func TestNothingAcknowledgedIsLostWhenThePowerFails(t *testing.T) {
	t.Parallel()
	wanted := testenv.Rounds(t, testenv.PowerLosses, 30)
	losses, events, last := 0, 0, 0
	for seed := uint64(0); losses < wanted; seed++ {
		losses += powerLosses(t, seed, min(lossesOfRun, wanted-losses), func(left map[string][]byte, acked acknowledged) {
			missing, err := acked.missing(t, left)
			if err != nil {
				t.Fatalf("seed %d: what a power loss left is refused: %v", seed, err)
			}
			if len(missing) > 0 {
				t.Fatalf("seed %d: after a power loss %d acknowledged changes are gone, the first: %s", seed, len(missing), missing[0])
			}
			last = len(acked.accepted)
		})
		events += last
	}
	t.Logf("%d power losses, %d events acknowledged, lost: 0", losses, events)
}

// A disk that answers a sync from its cache loses what was acknowledged: then the
// test above would fail.
func TestADiskThatLiesAboutSyncsLosesWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	lost := 0
	powerLosses(t, 1, 15, func(left map[string][]byte, acked acknowledged) {
		if missing, err := acked.missing(t, left); err != nil || len(missing) > 0 {
			lost++
		}
	}, (*disktest.Disk).Lie)
	if lost == 0 {
		t.Error("nothing was lost: the simulation sees no difference")
	}
}

// powerLosses runs a busy store and hands what a power loss would leave, at so many
// moments with work in flight, to check.
func powerLosses(t *testing.T, seed uint64, wanted int, check func(map[string][]byte, acknowledged), change ...func(*disktest.Disk)) (losses int) {
	t.Helper()
	w := newWorld(t, func(c *store.Config) { c.MaxSize = 2 << 20; c.Retention = 0 })
	for _, fn := range change {
		fn(w.disk)
	}
	var work sync.WaitGroup
	defer work.Wait()
	defer close(w.asked)
	for n := range 4 {
		work.Go(func() { w.post(n) })
	}
	random := rand.New(rand.NewPCG(seed, 1))
	fates := []disktest.Fate{disktest.Mixed, disktest.Mixed, disktest.Lost, disktest.Mixed, disktest.Kept}
	for losses = range wanted {
		n := 1 + random.IntN(40)
		for range n {
			w.asked <- struct{}{}
		}
		for range 1 + random.IntN(n) {
			<-w.answered
		}
		acked := w.acknowledged() // before the files
		check(w.disk.PowerLoss(fates[losses%len(fates)], random), acked)
		if t.Failed() {
			break
		}
	}
	return losses + 1
}

// world is a store on a watched disk, and what its callers were told.
type world struct {
	t     *testing.T
	store *store.Store
	cfg   store.Config
	disk  *disktest.Disk
	body  int // bytes of a call

	asked    chan struct{} // a call to post for each
	answered chan struct{} // one for each that was

	mu    sync.Mutex // guards what follows
	acked acknowledged
}

// acknowledged are changes that were answered without an error.
type acknowledged struct {
	accepted []string // names of calls
	exported int64
}

func newWorld(t *testing.T, change ...func(*store.Config)) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, body: 3000, disk: disktest.Watch(t, dir), asked: make(chan struct{}, 64), answered: make(chan struct{}, 1<<16)}
	w.cfg = store.Config{URL: "sqlite:" + filepath.Join(dir, "cdr2otel.db"), Retention: time.Hour, DeadLetterRetention: time.Hour}
	for _, fn := range change {
		fn(&w.cfg)
	}
	var err error
	if w.store, err = store.Open(t.Context(), w.cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.store.Close() }) // some tests break it
	return w
}

// call is one whose body no compression makes smaller.
func call(name string, size int) *store.Event {
	body := make([]byte, size)
	rand.NewChaCha8(store.Key(name)).Read(body)
	return &store.Event{Source: "s", Kind: store.KindCDR, Key: store.Key(name), ContentHash: store.Key(name), Body: body, CallID: []byte(name)}
}

// post accepts a call for each that is asked for, and now and then delivers and
// sweeps.
func (w *world) post(poster int) {
	n := 0
	for range w.asked {
		n++
		err := w.accept(fmt.Sprintf("%d-%d", poster, n))
		if n%7 == 0 && err == nil {
			err = w.deliver()
		}
		if n%3 == 0 && err == nil {
			_, err = w.store.Sweep(context.Background())
		}
		if err != nil {
			w.t.Errorf("poster %d: %v", poster, err)
		}
		w.answered <- struct{}{}
	}
}

func (w *world) accept(name string) error {
	_, err := w.store.Accept(context.Background(), call(name, w.body))
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.acked.accepted = append(w.acked.accepted, name)
	}
	return err
}

// deliver assembles and delivers what is due.
func (w *world) deliver() error {
	ctx := context.Background()
	due, err := w.store.ClaimDue(ctx, 20, time.Minute)
	if err != nil {
		return err
	}
	for _, s := range due {
		a := store.Assembly{Subject: s}
		err := w.store.Members(ctx, s, func(m store.Member) error {
			a.Members = append(a.Members, m.EventID)
			a.Parts = []store.Part{{Signal: "traces", Body: append([]byte("request "), m.Body...)}}
			return nil
		})
		if err == nil {
			err = w.store.Assemble(ctx, a)
		}
		if err != nil {
			return err
		}
	}
	requests, err := w.store.ClaimRequests(ctx, "traces", 0, 20, time.Minute)
	if err != nil || len(requests) == 0 {
		return err
	}
	var settled []store.Settlement
	for _, r := range requests {
		settled = append(settled, store.Settlement{Request: r, Verdict: store.VerdictDone})
	}
	if err := w.store.Settle(ctx, settled); err != nil {
		return err
	}
	w.mu.Lock()
	w.acked.exported += int64(len(settled))
	w.mu.Unlock()
	return nil
}

func (w *world) acknowledged() acknowledged {
	w.mu.Lock()
	defer w.mu.Unlock()
	return acknowledged{accepted: append([]string{}, w.acked.accepted...), exported: w.acked.exported}
}

// missing opens files as the next start would and names what of the acknowledged
// changes they do not hold. Calls that were exported and went with their retention
// are in the ledger only.
func (a acknowledged) missing(t *testing.T, files map[string][]byte) (missing []string, err error) {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	disktest.Watch(t, dir) // whose syncs cost nothing
	disktest.Restore(t, dir, files)
	path := filepath.Join(dir, "cdr2otel.db")
	s, err := open(t, path)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	ledger, err := s.Ledger(t.Context())
	if err != nil {
		return nil, err
	}
	counts := ledger["s"]
	var sum int64
	for state, n := range counts {
		if state != store.StateAccepted {
			sum += n
		}
	}
	if counts[store.StateAccepted] != sum {
		missing = append(missing, fmt.Sprintf("the ledger does not add up: %v", counts))
	}
	if counts[store.StateAccepted] < int64(len(a.accepted)) {
		missing = append(missing, fmt.Sprintf("%d of %d accepted events", int64(len(a.accepted))-counts[store.StateAccepted], len(a.accepted)))
	}
	if counts[store.StateExported] < a.exported {
		missing = append(missing, fmt.Sprintf("%d of %d exported events", a.exported-counts[store.StateExported], a.exported))
	}
	// Each that is not exported is there by its key; exported ones may be gone.
	there := keys(t, path)
	gone := counts[store.StateExported]
	for _, name := range a.accepted {
		if !there[store.Key(name)] {
			if gone--; gone < 0 {
				missing = append(missing, "call "+name)
			}
		}
	}
	return missing, nil
}

// keys are those of the events in a database.
func keys(t *testing.T, path string) map[store.Hash]bool {
	t.Helper()
	db := openRaw(t, path)
	defer db.Close()
	rows, err := db.Query(`SELECT key FROM event`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	keys := make(map[store.Hash]bool)
	for rows.Next() {
		var key []byte
		if err := rows.Scan(&key); err != nil {
			t.Fatal(err)
		}
		keys[store.Hash(key)] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return keys
}
