package receiver

import (
	"sync/atomic"
	"testing"
)

// A request that was cut off may begin something while the end is waited for.
func TestWhatRunsCanBeWaitedForWhileMoreBegins(t *testing.T) {
	t.Parallel()
	r, ended := newRunning(), atomic.Int64{}
	const calls = 200
	begun := make(chan struct{})
	go func() {
		defer close(begun)
		for range calls {
			r.Go(func() { ended.Add(1) })
		}
	}()
	r.Wait() // at some moment in between: it must only not be a fault
	<-begun
	r.Wait()
	if n := ended.Load(); n != calls {
		t.Errorf("%d of %d have ended", n, calls)
	}
}
