// Package doctor checks the surroundings of a sidecar that runs or is about to: its
// configuration and secrets, its disk, its certificate and ports, where telemetry
// goes to, the clocks. It changes nothing, and says what it saw in plain words. Asked
// to, it sends one test call through a running sidecar.
package doctor

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"

	"cdr2otel/exporter/config"
)

// Options of an examination.
type Options struct {
	// ConfigPath is the configuration file; empty: the defaults.
	ConfigPath string
	// Getenv reads the OTEL_* variables, which must be those the sidecar runs with.
	Getenv func(string) string
	// Version of the release, for the user agent.
	Version string
	// OnFinding is called with each finding as it is made.
	OnFinding func(Finding)
	// Admin is the admin listener of the running sidecar.
	Admin Admin
	// TestCall, unless nil, is sent when everything else was looked at.
	TestCall *TestCall
}

// Admin is how the admin listener of a running sidecar is asked.
type Admin struct {
	// URL; empty: as the configuration has it.
	URL string
	// User and Password of admin.web_config; empty: none.
	User     string
	Password configopaque.String
}

// Examine makes all checks that can be made, one after the other.
func Examine(ctx context.Context, opts Options) Report {
	x := &examination{opts: opts}
	if !x.configuration(ctx) {
		for _, check := range []string{checkStore, checkCertificate, checkSidecar} {
			x.skip(check, "repair the configuration first")
		}
		x.destinations(ctx)
		x.clock()
		if opts.TestCall != nil {
			x.skip(checkTestCall, "repair the configuration first")
		}
		return x.report
	}
	x.running = x.findSidecar(ctx)
	x.durability(ctx)
	x.certificate(ctx)
	x.sidecar()
	x.about(ctx)
	x.listeners(ctx)
	x.destinations(ctx)
	x.advice()
	x.clock()
	if opts.TestCall != nil {
		x.testCall(ctx, *opts.TestCall)
	}
	return x.report
}

// examination is one under way.
type examination struct {
	opts    Options
	cfg     config.Config
	sources map[string]config.ResolvedSource
	running *running // nil: no sidecar answers
	clocks  []clock  // of others, seen on the way
	report  Report
}

// askTimeout bounds one question to a listener of the sidecar.
const askTimeout = 5 * time.Second
