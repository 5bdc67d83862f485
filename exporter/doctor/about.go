package doctor

import (
	"context"
	"os"
	"strings"

	"cdr2otel/exporter"
	"cdr2otel/exporter/internal/admin"
	"cdr2otel/exporter/internal/delivery"
)

// about compares the environment and the configuration with those of the running sidecar:
// where they differ, the other checks are of something else than what runs.
func (x *examination) about(ctx context.Context) {
	if x.running == nil {
		return
	}
	here, err := exporter.AboutFromEnv(x.cfg, x.opts.Getenv)
	if err != nil {
		return // said by the check of the configuration
	}
	there, err := x.askAbout(ctx)
	if err != nil {
		x.note(checkSidecar, "where it exports to, and which store it has, could not be asked on its admin listener: %s", oneLine(err.Error(), 200))
		return
	}
	var differ []string
	for _, signal := range []string{delivery.SignalTraces, delivery.SignalLogs, delivery.SignalMetrics} {
		if is, says := there.Destinations[signal], here.Destinations[signal]; is != says {
			differ = append(differ, signal+" "+where(is)+", not "+where(says))
		}
	}
	if len(differ) > 0 {
		x.fail(checkSidecar, "run doctor with the environment and the configuration of serve, or restart serve with these",
			"it does not export as this environment says: %s", oneLine(strings.Join(differ, "; "), 600))
	}
	if !sameStore(there.Store, here.Store) {
		x.fail(checkSidecar, "run doctor with the configuration of serve, and in its folder if store.url is relative",
			"its store is %s, and this configuration says %s", oneLine(there.Store, 300), here.Store)
	}
}

func (x *examination) askAbout(ctx context.Context) (there admin.About, err error) {
	ask, err := x.adminPage("/about")
	if err == nil {
		_, err = ask(ctx, &there)
	}
	return there, err
}

// where is a destination in a sentence.
func where(to string) string {
	switch to {
	case admin.ToConsole:
		return "to the console"
	case admin.SignalOff, admin.SignalUnused, admin.ToScrape:
		return "nowhere (" + to + ")"
	}
	return "to " + to
}

// sameStore tells whether two names are of one store: a file may have several paths.
func sameStore(a, b string) bool {
	if a == b {
		return true
	}
	one, err := os.Stat(strings.TrimPrefix(a, "sqlite:"))
	if err != nil {
		return false
	}
	other, err := os.Stat(strings.TrimPrefix(b, "sqlite:"))
	return err == nil && os.SameFile(one, other)
}
