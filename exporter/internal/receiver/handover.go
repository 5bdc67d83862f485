package receiver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"
)

// accept finds the event memory and a place, hands it over and waits until it is
// durable. The client may hang up meanwhile; what was taken in is not given up for
// that.
//
// A store that hangs keeps the event, its memory and its place, but not the
// client: that one is refused after WaitForAccept.
func (x *exchange) accept(e Event) (Outcome, error) {
	if x.draining.Load() {
		return "", &problem{reason: ReasonClosing}
	}
	if !x.admitted.TryAcquire(1) {
		return "", &problem{reason: ReasonNoPlace}
	}
	ctx := context.WithoutCancel(x.req.Context())
	if err := x.findPlace(ctx); err != nil {
		x.admitted.Release(1)
		return "", err
	}
	answer := x.start(ctx, e)
	patience := time.NewTimer(x.cfg.WaitForAccept)
	defer patience.Stop()
	select {
	case a := <-answer:
		return a.outcome, a.err
	case <-patience.C:
		return "", &problem{reason: ReasonSlowStore}
	}
}

func (x *exchange) findPlace(ctx context.Context) error {
	if err := x.toStoring(ctx); err != nil {
		return err
	}
	if !take(ctx, x.accepting, 1, x.cfg.WaitForPlace) {
		return &problem{reason: ReasonNoPlace}
	}
	return nil
}

// accepted is what Accept returned.
type accepted struct {
	outcome Outcome
	err     error
}

// start runs Accept in a goroutine, to which everything goes that the event holds.
// The goroutine may outlive the request.
func (x *exchange) start(ctx context.Context, e Event) <-chan accepted {
	r, held, answer := x.Receiver, x.held, make(chan accepted, 1)
	x.held = share{}
	r.running.Go(func() {
		outcome, err := r.callAccept(ctx, e)
		held.release()
		r.accepting.Release(1)
		r.admitted.Release(1)
		answer <- accepted{outcome, err}
	})
	return answer
}

func (r *Receiver) callAccept(ctx context.Context, e Event) (outcome Outcome, err error) {
	defer func() {
		// One event, however hostile, never stops another (I8). The value of the
		// panic may quote the payload (I5), so its type and the stack must do.
		if p := recover(); p != nil {
			err = &problem{reason: ReasonPanic, cause: fmt.Errorf("panic of type %T: %s", p, debug.Stack())}
		}
	}()
	outcome, err = r.cfg.Accept(ctx, e)
	if errors.Is(err, ErrUnavailable) {
		return "", &problem{reason: ReasonUnavailable, cause: err}
	}
	if err != nil {
		return "", &problem{reason: ReasonFailed, cause: err}
	}
	return outcome, nil
}

// passThrough gives a synchronous event back unchanged, out of memory: a caller is
// on the line. The header X-Watson-Assistant-Webhook-Return is never set, because
// with any value the assistant would skip the message.
func (x *exchange) passThrough(e envelope) {
	x.answer.Status, x.answer.Outcome = http.StatusOK, OutcomeAccepted
	if e.payload == nil {
		write(x.w, http.StatusOK, []byte("{}"))
		return
	}
	write(x.w, http.StatusOK, []byte(`{"payload":`), e.payload, []byte("}"))
	// Now, not after OnAnswer: nothing that is told of the answer delays it. A writer
	// that can't flush sends it when ServeHTTP returns.
	_ = http.NewResponseController(x.w).Flush()
	x.answer.Unobserved = !x.observe(x.event(e))
}

// observe tells Observe of an answered event if there is room for it at once.
func (x *exchange) observe(e Event) bool {
	if x.cfg.Observe == nil {
		return true
	}
	if !x.observers.TryAcquire(1) {
		return false
	}
	if !x.toObserving() {
		x.observers.Release(1)
		return false
	}
	r, held := x.Receiver, x.held
	x.held = share{}
	r.running.Go(func() {
		r.callObserve(e)
		held.release()
		r.observers.Release(1)
	})
	return true
}

func (r *Receiver) callObserve(e Event) {
	defer func() {
		if p := recover(); p != nil {
			r.cfg.Logger.Error("observing an event panicked", "source", e.Source, "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
		}
	}()
	r.cfg.Observe(e)
}
