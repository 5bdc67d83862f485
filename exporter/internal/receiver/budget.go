package receiver

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// smallBody is the largest body that is read beside the larger ones: most
	// webhooks are below it, and never wait for a large one on a slow line.
	smallBody = 64 << 10
	// smallUnknown is what a body of unknown length holds until it has shown to be
	// larger than smallBody: growing a buffer may take up to twice its length.
	smallUnknown = 2 * smallBody
)

// budgets share out the memory of bodies (I7), so that what waits for the store
// can't take what a caller on the line needs. Which of the two a body is shows
// only once it is read, so all are read in the same lanes; from then on events for
// the store hold of storing, and events that were answered at once of observing.
//
// A body waits for large while it holds of small, never the other way round; and
// for storing only within a lane's parked half. So the other half of each lane
// always belongs to bodies that are being read, and moves on at the speed of the
// line, however long the store takes.
type budgets struct {
	small, large lane
	storing      *semaphore.Weighted
	observing    *semaphore.Weighted
}

// lane is the memory of bodies that are being read and parsed.
type lane struct {
	room *semaphore.Weighted
	// parked is half of it: what events that wait for storing may go on holding.
	parked *semaphore.Weighted
}

// newBudgets gives a half to large bodies, a quarter to storing, and an eighth
// each to small bodies and to observing; but every budget fits one of the largest
// bodies, half a lane too.
func newBudgets(total, maxBody int64) budgets {
	largest := max(maxBody, smallUnknown)
	return budgets{
		small:     newLane(max(total/8, 2*smallUnknown)),
		large:     newLane(max(total/2, 2*largest)),
		storing:   semaphore.NewWeighted(max(total/4, largest)),
		observing: semaphore.NewWeighted(max(total/8, largest)),
	}
}

func newLane(bytes int64) lane {
	return lane{room: semaphore.NewWeighted(bytes), parked: semaphore.NewWeighted(bytes / 2)}
}

// share is what one body holds of a budget.
type share struct {
	of    *semaphore.Weighted // nil: of none
	bytes int64
}

func (s *share) release() {
	if s.of != nil {
		s.of.Release(s.bytes)
	}
	*s = share{}
}

// shrink gives back what is above needed.
func (s *share) shrink(needed int64) {
	if needed < s.bytes {
		s.of.Release(s.bytes - needed)
		s.bytes = needed
	}
}

// enter takes room in a lane for a body, or moves it there from the lane it is in.
func (x *exchange) enter(l *lane, bytes int64) error {
	if !take(x.req.Context(), l.room, bytes, x.cfg.WaitForPlace) {
		return &problem{reason: ReasonNoRoom}
	}
	x.held.release()
	x.lane, x.held = l, share{l.room, bytes}
	return nil
}

// toStoring moves what the body holds from its lane to storing. An event that finds
// no room there waits in the lane, unless half of it waits already.
func (x *exchange) toStoring(ctx context.Context) error {
	bytes := x.held.bytes
	if !x.storing.TryAcquire(bytes) {
		if !x.lane.parked.TryAcquire(bytes) {
			return &problem{reason: ReasonNoRoom}
		}
		defer x.lane.parked.Release(bytes)
		if !take(ctx, x.storing, bytes, x.cfg.WaitForPlace) {
			return &problem{reason: ReasonNoRoom}
		}
	}
	x.held.release()
	x.held = share{x.storing, bytes}
	return nil
}

// toObserving moves what the body holds from its lane to observing, if there is
// room at once.
func (x *exchange) toObserving() bool {
	if !x.observing.TryAcquire(x.held.bytes) {
		return false
	}
	moved := share{x.observing, x.held.bytes}
	x.held.release()
	x.held = moved
	return true
}

// take acquires n, waiting for at most patience and until the end of ctx.
func take(ctx context.Context, s *semaphore.Weighted, n int64, patience time.Duration) bool {
	if s.TryAcquire(n) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.Acquire(ctx, n) == nil
}
