package receiver

import "sync"

// running counts calls that go on behind requests. Unlike a WaitGroup it may be
// waited for while requests that were cut off still begin some.
type running struct {
	mu    sync.Mutex // guards n
	n     int
	ended sync.Cond // n is 0
}

func newRunning() *running {
	r := new(running)
	r.ended.L = &r.mu
	return r
}

// Go runs f in a goroutine of its own.
func (r *running) Go(f func()) {
	r.mu.Lock()
	r.n++
	r.mu.Unlock()
	go func() {
		defer r.end()
		f()
	}()
}

func (r *running) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n--; r.n == 0 {
		r.ended.Broadcast()
	}
}

// Wait returns when none is running.
func (r *running) Wait() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.n > 0 {
		r.ended.Wait()
	}
}
