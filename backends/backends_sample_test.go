package backends

import (
	"testing"
	"time"

	"cdr2otel/internal/sample"
)

// sampleBodies are the webhook bodies of all sample calls, ended just now.
func sampleBodies(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	for _, name := range sample.AllCalls() {
		all = append(all, sampleCall(t, name)...)
	}
	return all
}

// sampleCall are the webhook bodies of one sample call, ended just now.
func sampleCall(t testing.TB, name string) [][]byte {
	t.Helper()
	bodies, err := sample.EndingAt(name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return bodies
}
