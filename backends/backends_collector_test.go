package backends

import (
	"context"
	"net"
	"testing"

	"cdr2otel/internal/testenv"
)

// collectorOptions say how an OpenTelemetry Collector is run.
type collectorOptions struct {
	// Config is the name of a file in collector-config/.
	Config string
	// Beside are further files of collector-config/.
	Beside []string
	// Traces and Metrics are the URLs it sends to, as TRACES_ENDPOINT and
	// METRICS_ENDPOINT; "" is one where nobody is.
	Traces, Metrics string
	// Env are further variables of the file, "NAME=value".
	Env []string
	// Set are settings to change, "exporters.otlp_http/traces.timeout=1s".
	Set []string
}

// collector is a running OpenTelemetry Collector.
type collector struct {
	*process
	// GRPC and HTTP are URLs of its OTLP receivers, Metrics is the host:port of its
	// own metrics.
	GRPC, HTTP, Metrics string

	start func() *process
	ready func(context.Context) error
}

// startCollector runs otelcol with a file of collector-config/, on free ports and
// with a queue folder of its own.
func startCollector(t testing.TB, o collectorOptions) *collector {
	t.Helper()
	binary := toolPath(t, "otelcol")
	nobody := "http://" + testenv.FreeAddress(t)
	if o.Traces == "" {
		o.Traces = nobody
	}
	if o.Metrics == "" {
		o.Metrics = nobody
	}
	dir, grpc, http, health := scratch(t), testenv.FreeAddress(t), testenv.FreeAddress(t), testenv.FreeAddress(t)
	c := &collector{GRPC: "http://" + grpc, HTTP: "http://" + http, Metrics: testenv.FreeAddress(t)}
	metricsHost, metricsPort, err := net.SplitHostPort(c.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	env := append([]string{
		"COLLECTOR_OTLP_GRPC_ENDPOINT=" + grpc,
		"COLLECTOR_OTLP_HTTP_ENDPOINT=" + http,
		"COLLECTOR_HEALTH_ENDPOINT=" + health,
		"COLLECTOR_METRICS_HOST=" + metricsHost,
		"COLLECTOR_METRICS_PORT=" + metricsPort,
		"COLLECTOR_QUEUE_DIRECTORY=" + dir + "/queue",
		"TRACES_ENDPOINT=" + o.Traces,
		"METRICS_ENDPOINT=" + o.Metrics,
	}, o.Env...)
	args := []string{"--config", repoPath("collector-config", o.Config)}
	for _, file := range o.Beside {
		args = append(args, "--config", repoPath("collector-config", file))
	}
	for _, setting := range o.Set {
		args = append(args, "--set", setting)
	}
	c.start = func() *process { return startProcess(t, dir, binary, args, env) }
	c.ready = func(ctx context.Context) error {
		_, err := get(ctx, "http://"+health+"/")
		return err
	}
	c.again(t)
	return c
}

// again runs the Collector on its ports and its queue, after it has ended.
func (c *collector) again(t testing.TB) {
	t.Helper()
	c.process = c.start()
	c.awaitReady(t, c.ready)
}
