package otlptest

// TB is what New needs of a *testing.T; this package doesn't import testing,
// because the demo command links it.
type TB interface {
	Helper()
	Fatal(args ...any)
	Cleanup(func())
}

// New starts a receiver that is closed when the test ends.
func New(t TB, o Options) *Receiver {
	t.Helper()
	r, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}
