package store

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"
)

// Bounds of how long answers took, which is worth little: what comes too fast is
// not recorded.
const (
	tookQueue = 4096
	tookSlice = 200 // rows of one transaction
	tookEvery = 250 * time.Millisecond
)

// answer is how long one took.
type answer struct {
	event int64
	took  time.Duration
}

// answers gathers how long answers took and writes them a few times a second,
// one slice after the other, so that a webhook never waits for more than one.
type answers struct {
	store *Store
	queue chan answer
	stop  chan struct{}
	done  chan struct{}
}

// Took notes how long the answer to an event took: Receipt.EventID, of any
// outcome but OutcomeDuplicate, which is somebody else's row. It never blocks and
// is best effort.
func (s *Store) Took(eventID int64, d time.Duration) {
	select {
	case s.took.queue <- answer{eventID, d}:
	default:
	}
}

func startAnswers(s *Store) *answers {
	a := &answers{store: s, queue: make(chan answer, tookQueue), stop: make(chan struct{}), done: make(chan struct{})}
	go a.loop()
	return a
}

// close writes what is waiting and ends the goroutine.
func (a *answers) close() {
	close(a.stop)
	<-a.done
}

func (a *answers) loop() {
	defer close(a.done)
	tick := time.NewTicker(tookEvery)
	defer tick.Stop()
	for stopped := false; !stopped; {
		select {
		case <-tick.C:
		case <-a.stop:
			stopped = true
		}
		a.flush()
	}
}

// flush writes what was queued when it began.
func (a *answers) flush() {
	for n := len(a.queue); n > 0; n = min(n, len(a.queue)) {
		slice := make([]answer, min(n, tookSlice))
		for i := range slice {
			slice[i] = <-a.queue
		}
		n -= len(slice)
		a.write(slice)
	}
}

func (a *answers) write(slice []answer) {
	// Neighbours are on the same page.
	slices.SortFunc(slice, func(x, y answer) int { return cmp.Compare(x.event, y.event) })
	err := a.store.writer.write(context.Background(), &op{stage: stageOther, run: func(t *tx) error {
		for _, one := range slice {
			if err := t.exec(`UPDATE event SET took_ns = ? WHERE id = ?`, int64(one.took), one.event); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		a.store.cfg.Logger.Debug("how long answers took was not recorded", slog.Any("error", err))
	}
}
