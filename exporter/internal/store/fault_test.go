package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	sqlite3 "modernc.org/sqlite/lib"

	"cdr2otel/exporter/internal/store"
	"cdr2otel/exporter/internal/store/disktest"
	"cdr2otel/internal/testenv"
)

// The errors of a disk, by operation. Each comes in two kinds: what failed may have
// happened all the same.
var diskErrors = map[disktest.Kind][]int32{
	disktest.Write:    {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_FULL},
	disktest.Sync:     {sqlite3.SQLITE_IOERR_FSYNC},
	disktest.Truncate: {sqlite3.SQLITE_IOERR_TRUNCATE},
	disktest.Read:     {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_CORRUPT},
	disktest.Open:     {sqlite3.SQLITE_CANTOPEN},
	disktest.Delete:   {sqlite3.SQLITE_IOERR_DELETE},
}

// Whichever operation of the disk fails, and how: who was told yes finds it after
// the next start, even when the power fails right then.
func TestNothingAcknowledgedIsLostWhicheverOperationOfTheDiskFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, smallStore)
	opened := w.disk.Ops()
	if errs := w.work(); len(errs) > 0 {
		t.Fatalf("without a fault: %v", errs[0])
	}
	log, all := map[disktest.Kind]int{}, w.disk.Ops()-opened
	for _, o := range w.disk.Log() {
		log[o.Kind]++
	}
	if log[disktest.Sync] < 30 || log[disktest.Truncate]+log[disktest.Write] < 200 {
		t.Fatalf("the work is too little to fail at: %v", log)
	}
	step := testenv.Rounds(t, testenv.FaultStep, 151)
	tried, broken, full := 0, 0, 0
	for at := 1; at <= all; at += step {
		result := failAt(t, opened+at, tried)
		tried++
		if result.broken {
			broken++
		}
		if result.full {
			full++
		}
		if t.Failed() {
			return
		}
	}
	if broken == 0 || full == 0 {
		t.Errorf("%d faults, %d broken stores, %d full ones: want some of each", tried, broken, full)
	}
	t.Logf("%d of %d operations failed, %d of them ended the store, %d found the disk full; lost: 0", tried, all, broken, full)
}

func smallStore(c *store.Config) { c.MaxSize, c.Retention = 2<<20, 0 }

type faultResult struct{ broken, full bool }

// failAt works with the n-th operation failing, and then loses power.
func failAt(t *testing.T, n, variant int) (r faultResult) {
	t.Helper()
	w := newWorld(t, smallStore)
	var failed disktest.Op
	var fault disktest.Fault
	w.disk.Fail(func(o disktest.Op) disktest.Fault {
		if o.N != n {
			return disktest.Fault{}
		}
		codes := diskErrors[o.Kind]
		failed = o
		fault = disktest.Fault{Code: codes[variant/2%len(codes)], Persisted: variant%2 == 1}
		return fault
	})
	for _, err := range w.work() {
		switch {
		case errors.Is(err, store.ErrFull):
			r.full = true
		case errors.Is(err, store.ErrBroken), failed.Kind == disktest.Read:
			r.broken = true
		case failed.Kind != disktest.Open: // a reader's, which is opened when it is needed
			t.Errorf("%+v failed with %+v: %v, want ErrBroken or ErrFull", failed, fault, err)
		}
	}
	if ready := w.store.Ready(); r.broken && !errors.Is(ready, store.ErrBroken) {
		t.Errorf("%+v failed with %+v: ready says %v after such an error", failed, fault, ready)
	}
	w.disk.Fail(nil)
	random := rand.New(rand.NewPCG(uint64(n), 2))
	for _, fate := range []disktest.Fate{disktest.Lost, disktest.Mixed, disktest.Kept} {
		missing, err := w.acknowledged().missing(t, w.disk.PowerLoss(fate, random))
		if err != nil || len(missing) > 0 {
			t.Errorf("%+v failed with %+v: missing %v, %v", failed, fault, missing, err)
		}
	}
	if err := w.store.Close(); err != nil && !r.broken {
		t.Errorf("%+v failed with %+v: close: %v", failed, fault, err)
	}
	if err := os.RemoveAll(filepath.Dir(w.path())); err != nil { // there are thousands
		t.Error(err)
	}
	return r
}

// work accepts, delivers and sweeps, one after the other, so that every run does
// the same operations up to the one that fails. It goes on after errors.
func (w *world) work() (errs []error) {
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	for n := range 36 {
		note(w.accept(fmt.Sprint("call ", n)))
		if n%6 == 5 {
			note(w.deliver())
			_, err := w.store.Sweep(w.t.Context())
			note(err)
		}
	}
	return errs
}
