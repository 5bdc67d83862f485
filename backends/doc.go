// Package backends tries the sidecar and the files of collector-config/ and
// examples/ against the real programs: an OpenTelemetry Collector, Jaeger,
// Prometheus and promtool, and the sidecar's pages in Chromium. It holds tests
// only, in a module of its own so that what they need does not become a dependency
// of the sidecar.
//
// "make tools" builds the programs, "make backends" runs everything, "make
// screenshots" takes the pictures of the documents. Without the programs those
// tests are skipped that need them.
//
// What a test is built from (backends_*_test.go):
//
//	toolPath(t, "promtool")         a program of .tools/bin, or the test is skipped
//	repoPath("collector-config")    a path of this repository
//	scratch(t)                      a folder that is gone when the tests are over
//	startExporter(t, …)             "cdr2otel serve" on free ports; .post(t, bodies…), .awaitExported(t, n)
//	startPrometheus(t, …)           Prometheus with collector-config/prometheus.yml; .query(t, promql)
//	startJaeger(t, …)               Jaeger with collector-config/jaeger.yaml; .trace(t, id), .search(t, …)
//	startCollector(t, …)            otelcol with a file of collector-config/
//	startSite(t, …)                 a sidecar and an OTLP receiver; busySite(t, …) with everything that pages show
//	openTab(t, site)                a tab of the browser that is shared; it fails the test for whatever the browser complains of
//	eventually(t, "what", check)    asks until check returns nil, within patience
//	confirmed(t, "what holds")      one line of the output for each thing that was seen to hold
package backends
