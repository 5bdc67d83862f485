package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
	"cdr2otel/exporter/internal/store/disktest"
)

const smallDisk = 12 << 20

// openOn opens a store on a small disk, with a limit far above what that holds.
func openOn(t *testing.T, disk *disktest.Small) *world {
	t.Helper()
	w := &world{t: t, body: 20_000, cfg: store.Config{
		URL: "sqlite:" + filepath.Join(disk.Dir, "cdr2otel.db"), MaxSize: 10 << 30, Retention: time.Hour, DeadLetterRetention: time.Hour,
	}}
	w.start()
	return w
}

func (w *world) start() {
	w.t.Helper()
	var err error
	if w.store, err = store.Open(w.t.Context(), w.cfg); err != nil {
		w.t.Fatal(err)
	}
	opened := w.store
	w.t.Cleanup(func() { opened.Close() }) // before the disk goes
}

// restart stops and starts, and wants everything that was acknowledged.
func (w *world) restart() {
	w.t.Helper()
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.start()
	ledger, err := w.store.Ledger(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	counts, acked := ledger["s"], w.acknowledged()
	if counts[store.StateAccepted] != int64(len(acked.accepted)) || counts[store.StateExported] != acked.exported ||
		counts[store.StatePending] != counts[store.StateAccepted]-acked.exported {
		w.t.Errorf("%d events were accepted and %d exported, the ledger says %v", len(acked.accepted), acked.exported, counts)
	}
}

// fill accepts calls until one after the other is refused for want of space, and
// tells how many it took. A log that was copied gives back place meanwhile.
func (w *world) fill(name string) (taken int) {
	w.t.Helper()
	refused := 0
	for n := 0; refused < 5 && n < 10_000; n++ {
		switch err := w.accept(fmt.Sprint(name, n)); {
		case err == nil:
			taken, refused = taken+1, 0
		case errors.Is(err, store.ErrFull):
			refused++
		default:
			w.t.Fatalf("after %d calls: %v, want ErrFull", taken, err)
		}
	}
	if refused == 0 {
		w.t.Fatalf("%d calls went onto a full disk", taken)
	}
	if err := w.store.Ready(); !errors.Is(err, store.ErrFull) {
		w.t.Errorf("ready: %v, want ErrFull", err)
	}
	return taken
}

func (w *world) deliverAll() {
	w.t.Helper()
	for before := int64(-1); before != w.acked.exported; {
		before = w.acked.exported
		if err := w.deliver(); err != nil {
			w.t.Fatalf("deliver: %v", err)
		}
	}
}
func TestASmallDiskLosesHistoryFirstThenRefusesAndDeliversOn(t *testing.T) {
	t.Parallel()
	disktest.OnSmallDisk(t, smallDisk, func(t *testing.T, disk *disktest.Small) {
		w := openOn(t, disk)
		for n := 0; n < 3*smallDisk/w.body; n++ { // three times what fits
			if err := w.accept(fmt.Sprint("history ", n)); err != nil {
				t.Fatalf("with history to give up, call %d: %v", n, err)
			}
			if n%20 == 19 {
				w.deliverAll()
			}
		}
		usage := w.store.Usage()
		if usage.Limit > smallDisk || usage.Limit < smallDisk*9/10 || usage.Used > usage.Limit {
			t.Errorf("usage %+v on a disk of %d", usage, smallDisk)
		}
		w.deliverAll()
		history := len(w.acked.accepted)
		waiting := w.fill("waiting ")
		if waiting < smallDisk/w.body/2 {
			t.Errorf("full after %d waiting calls", waiting)
		}
		t.Logf("%d calls went through, %d wait, %d kB are free when intake is refused", history, waiting, disk.Free()>>10)
		w.restart()
		w.fill("waiting after a restart ")
		w.deliverAll()
		if err := w.accept("one more"); err != nil || w.store.Ready() != nil {
			t.Errorf("after everything was delivered: %v, ready: %v", err, w.store.Ready())
		}
		w.restart()
	})
}

// Another program takes the last byte. Delivery goes on in the store's reserve, and
// with the space everything comes back.
func TestADiskThatAnotherProgramFillsRefusesAndRecoversByItself(t *testing.T) {
	t.Parallel()
	disktest.OnSmallDisk(t, smallDisk, func(t *testing.T, disk *disktest.Small) {
		w := openOn(t, disk)
		for round := range 3 {
			for n := range 60 {
				if err := w.accept(fmt.Sprintf("call %d of round %d", n, round)); err != nil {
					t.Fatal(err)
				}
			}
			giveBack := disk.Fill(0)
			w.fill(fmt.Sprintf("round %d, in the place that is left ", round))
			before := w.acked.exported
			w.deliverAll()
			if w.acked.exported == before {
				t.Error("nothing was delivered without a free byte")
			}
			// What was delivered is history, which makes room in the store's own file.
			if err := w.accept(fmt.Sprint("in the place of history, round ", round)); err != nil {
				t.Errorf("accept in the place of history: %v", err)
			}
			giveBack()
			// Nobody posts to a sidecar that is not ready: housekeeping finds out.
			if _, err := w.store.Sweep(t.Context()); err != nil || w.store.Ready() != nil {
				t.Fatalf("with space again: sweep %v, ready %v", err, w.store.Ready())
			}
			if err := w.accept(fmt.Sprint("with space again, round ", round)); err != nil {
				t.Fatal(err)
			}
			w.restart()
		}
	})
}

// The space ends in the middle of commits that many share.
func TestADiskThatFillsUnderLoadAcknowledgesOnlyWhatItHolds(t *testing.T) {
	t.Parallel()
	disktest.OnSmallDisk(t, smallDisk, func(t *testing.T, disk *disktest.Small) {
		w := openOn(t, disk)
		full := 0
		for round := range 10 {
			giveBack := disk.Fill(200 << 10)
			var posters sync.WaitGroup
			var mu sync.Mutex
			for p := range 16 {
				posters.Go(func() {
					for n := range 20 {
						err := w.accept(fmt.Sprintf("%d of %d in round %d", n, p, round))
						if err != nil && !errors.Is(err, store.ErrFull) {
							t.Errorf("accept: %v", err)
						}
						if err != nil {
							mu.Lock()
							full++
							mu.Unlock()
						}
					}
				})
			}
			posters.Wait()
			giveBack()
			w.deliverAll()
			if _, err := w.store.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if full == 0 {
			t.Error("the disk was never full")
		}
		t.Logf("%d calls accepted, %d refused, lost: 0", len(w.acked.accepted), full)
		w.restart()
	})
}

func TestAStoreOnAFullDiskSaysSoOrStarts(t *testing.T) {
	t.Parallel()
	disktest.OnSmallDisk(t, smallDisk, func(t *testing.T, disk *disktest.Small) {
		giveBack := disk.Fill(0)
		path := filepath.Join(disk.Dir, "cdr2otel.db")
		if _, err := open(t, path); err == nil || !strings.Contains(err.Error(), "no space") {
			t.Errorf("a new store on a full disk: %v", err)
		}
		giveBack()
		w := openOn(t, disk)
		if err := w.accept("call"); err != nil {
			t.Fatal(err)
		}
		if err := w.store.Close(); err != nil {
			t.Fatal(err)
		}
		giveBack = disk.Fill(0)
		w.start() // in its reserve
		w.deliverAll()
		if err := w.store.Close(); err != nil {
			t.Fatal(err)
		}
		giveBackMore := disk.Fill(0)
		if _, err := open(t, path); err == nil || !strings.Contains(err.Error(), "no space left on the disk") || !strings.Contains(err.Error(), "nothing was lost") {
			t.Errorf("a store on a full disk: %v", err)
		}
		giveBack()
		giveBackMore()
		w.start()
		w.restart()
	})
}

func TestAStoreThatCanNotBeWrittenSaysSo(t *testing.T) {
	t.Parallel()
	disktest.OnSmallDisk(t, smallDisk, func(t *testing.T, disk *disktest.Small) {
		path := filepath.Join(disk.Dir, "cdr2otel.db")
		if err := mustOpen(t, path).Close(); err != nil {
			t.Fatal(err)
		}
		missing := filepath.Join(disk.Dir, "another.db")
		disk.ReadOnly()
		refused(t, path, "read-only file system", "must be", "writable for this user")
		refused(t, missing, "read-only file system", "writable for this user")
		if _, err := os.Stat(missing); err == nil {
			t.Error("a file was made")
		}
	})
}
