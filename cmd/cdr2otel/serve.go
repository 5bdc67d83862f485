package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
)

func serveCommand() *cobra.Command {
	var path string
	var logs logging
	c := &cobra.Command{
		Use:   "serve",
		Short: "Receive webhooks and export calls as traces",
		Long: "Runs the sidecar. Set the destination of traces, logs and metrics with the standard\n" +
			"OTEL_EXPORTER_OTLP_* variables. The log on standard error says \"ready\" once webhooks\n" +
			"can be acknowledged.\n\n" +
			"SIGHUP makes it read the configuration and the secrets again. SIGTERM ends it in order:\n" +
			"requests that have begun are answered. A second signal ends it at once.",
		Example: "  " + config.SecretEnv + "=... OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 cdr2otel serve\n" +
			"  cdr2otel serve --config cdr2otel.yaml",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := untilSignal(c.Context())
			defer stop()
			collectLessOften()
			log, err := logs.logger(c.ErrOrStderr())
			if err != nil {
				return err
			}
			err = serve(ctx, path, log)
			if err != nil && logs.format == logJSON { // what reads the log wants JSON alone
				log.Error("serve ended", "error", oneLine(err.Error()))
				return errSaid
			}
			return err
		},
	}
	configFlag(c, &path)
	logs.flags(c, slog.LevelInfo)
	return c
}

func serve(ctx context.Context, path string, log *slog.Logger) error {
	cfg, problems := config.Check(ctx, path)
	if err := problems.Err(); err != nil {
		return configError(path, err)
	}
	sidecar, err := exporter.New(ctx, cfg, exporter.Options{Version: build().version, Logger: log})
	if err != nil {
		return configError(path, err)
	}
	defer reloadOnHangup(ctx, path, sidecar, log)()
	return sidecar.Run(ctx)
}

// collectLessOften lets the heap triple between collections, unless GOGC says
// otherwise: what lives is small (I7: no backlog is in memory), so that costs some
// ten megabytes and saves a tenth of the processor (docs/performance.md).
func collectLessOften() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
}

// untilSignal ends the context at the first SIGTERM, SIGINT or other signal named. From then on a
// signal does what it does to any process: it kills. The function it returns
// ends the context too and waits for the end of the watch.
func untilSignal(parent context.Context, others ...os.Signal) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	first := make(chan os.Signal, 1)
	others = slices.DeleteFunc(others, signal.Ignored) // nohup
	signal.Notify(first, append(others, syscall.SIGTERM, syscall.SIGINT)...)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-first:
		case <-ctx.Done():
		}
		// Before the context ends: whoever sees the shutdown and sends a second
		// signal must not have it swallowed here.
		signal.Stop(first)
		cancel()
	}()
	return ctx, func() {
		cancel()
		<-ended
	}
}

// reloadOnHangup reads the configuration again at every SIGHUP. One that does
// not hold is logged and the old one stays. The function it returns ends that
// and waits for it.
func reloadOnHangup(ctx context.Context, path string, sidecar *exporter.Exporter, log *slog.Logger) (end func()) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range hangup {
			reload(ctx, path, sidecar, log)
		}
	}()
	return func() {
		signal.Stop(hangup)
		close(hangup)
		<-ended
	}
}

func reload(ctx context.Context, path string, sidecar *exporter.Exporter, log *slog.Logger) {
	err := sidecar.Reload(func() (config.Config, error) { return config.Load(ctx, path) })
	if err != nil {
		log.Error("reload refused, the old configuration stays", "error", err)
		return
	}
	log.Info("configuration reloaded")
}
