package delivery

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"
)

// Probe sends an empty request of a signal, by the client that would send the
// others, and returns the answer. at is what the clock of the other side showed
// (HTTP's Date, cut to seconds), zero when it did not say.
func Probe(ctx context.Context, signal string, s Settings) (a Answer, at time.Time, err error) {
	client, err := NewClient(signal, s)
	if err != nil {
		return Answer{}, time.Time{}, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	var date dated
	if h, ok := client.(*httpClient); ok {
		date.next = h.client.Transport
		h.client.Transport = &date
		defer func() { h.client.Transport = date.next }() // which has the connections to close
	}
	a = client.Send(ctx, nil) // what an empty request is encoded as
	if seen := date.seen.Load(); seen != nil {
		at = *seen
	}
	return a, at, nil
}

// dated remembers the Date of the last answer.
type dated struct {
	next http.RoundTripper
	seen atomic.Pointer[time.Time]
}

func (d *dated) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := d.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if at, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		d.seen.Store(&at)
	}
	return response, nil
}
