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

func TestPrometheusScrapesAndAnswers(t *testing.T) {
	t.Parallel()
	p := startPrometheus(t, prometheusOptions{})
	result := p.query(t, "vector(1)")
	if len(result) != 1 || result[0].Value[1] != "1" {
		t.Errorf("vector(1) is %v", result)
	}
	e := startExporter(t, exporterOptions{Env: []string{"OTEL_TRACES_EXPORTER=none"}})
	e.post(t, sampleBodies(t)...)
}
