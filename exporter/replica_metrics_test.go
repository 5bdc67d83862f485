package exporter_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"cdr2otel/exporter"
	"cdr2otel/internal/schematest"
)

var instanceID = regexp.MustCompile(`(?m)^target_info\{.*service_instance_id="([^"]+)"`)

// shownAt is what a listener shows at a path.
func shownAt(t testing.TB, address, path string) string {
	t.Helper()
	_, text := get(t, "http://"+address+path)
	return text
}

func TestOfTwoReplicasOneReportsTheStoreAndTheOtherWhenItIsGone(t *testing.T) {
	t.Parallel()
	at, _ := schematest.New(t)
	var both [2]*sidecar
	for i, attributes := range []string{"service.instance.id=pod-0", ""} {
		cfg := configuration(t.TempDir())
		cfg.Store.URL = at
		both[i] = start(t, cfg, exporter.Options{Getenv: environment(map[string]string{
			"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_RESOURCE_ATTRIBUTES": attributes,
		})})
	}
	for i := range both {
		both[i].accepted(t, sample(t, "dtmf_call.cdr.json"))
	}
	reports := func(s *sidecar) bool {
		text := shownAt(t, s.AdminAddr(), "/metrics")
		usage, ledger := strings.Contains(text, "\nwxa_exporter_store_usage_bytes "), strings.Contains(text, "\nwxa_exporter_ledger_events_total{")
		if usage != ledger || !strings.Contains(text, "\nwxa_exporter_ready 1") {
			t.Errorf("usage %v, ledger %v, or not ready:\n%s", usage, ledger, text)
		}
		return usage
	}
	ids := map[string]bool{}
	for _, s := range both {
		if id := instanceID.FindStringSubmatch(shownAt(t, s.AdminAddr(), "/metrics")); id != nil {
			ids[id[1]] = true
		}
	}
	if len(ids) != 2 || !ids["pod-0"] {
		t.Errorf("instances %v, want pod-0 and a random one", ids)
	}
	await(t, func() bool { return reports(both[0]) != reports(both[1]) })
	leader, other := both[0], both[1]
	if !reports(leader) {
		leader, other = other, leader
	}
	if err := leader.stop(); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return reports(other) })
}

// await polls until it is so.
func await(t testing.TB, so func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("it took too long")
		}
	}
}
