package delivery

// refusals remembers which requests were refused, and whether others went through since.
// If they did, the fault is more likely the request's than the destination's. It is the
// memory of one process: after a restart nothing is known, so nothing is given up at
// first. It belongs to the goroutine of Run.
type refusals struct {
	sends  int64 // so far
	passed int64 // the last send that went through
	of     map[int64]refused
}

// refused is one request that was, by its id.
type refused struct {
	at      int64 // how many sends there were when it was last refused
	times   int   // how often it was set aside
	suspect bool  // others went through between two of its refusals
}

// maxRefused bounds how many requests are remembered (I7). A long outage refuses more; one
// that is not remembered is given up later.
const maxRefused = 1024

func newRefusals() *refusals { return &refusals{of: map[int64]refused{}} }

// sending numbers a send.
func (r *refusals) sending() int64 {
	r.sends++
	return r.sends
}

// accepted is told of a request that went through, with that send.
func (r *refusals) accepted(id, send int64) {
	r.passed = max(r.passed, send)
	r.forget(id)
}

// others returns what happened to other requests since this one was refused. passed: one
// that was sent after the last refusal went through. (What was on its way by then says
// nothing of the destination as it is now.) suspect: so it was after any of its refusals.
func (r *refusals) others(id int64) (passed, suspect bool) {
	was, known := r.of[id]
	passed = known && r.passed > was.at
	return passed, passed || was.suspect
}

// add a refusal and return how often the request was set aside, this time included.
func (r *refusals) add(id int64, aside bool) (times int) {
	was, known := r.of[id]
	if !known && len(r.of) >= maxRefused {
		for other := range r.of {
			delete(r.of, other)
			break
		}
	}
	_, was.suspect = r.others(id)
	if aside {
		was.times++
	}
	was.at = r.sends
	r.of[id] = was
	return was.times
}

func (r *refusals) forget(id int64) { delete(r.of, id) }
