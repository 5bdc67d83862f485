package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/config/configopaque"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/client"
	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/sample"
	"cdr2otel/internal/wrap"
	"cdr2otel/mapping"
)

func demoCommand() *cobra.Command {
	var exit bool
	var logs logging
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run the real path on two sample calls and a web chat and print their traces and metrics",
		Long: "Runs the sidecar on loopback, with a generated secret, a temporary store and an OTLP\n" +
			"receiver in the same process. Posts two sample calls and a web chat to it as signed\n" +
			"webhooks, prints the traces and metrics that come of them, and stays up, with its\n" +
			"pages, until Ctrl-C.\n\n" +
			"With OTEL_EXPORTER_OTLP_ENDPOINT set the traces go there instead. They are printed all\n" +
			"the same, also when no collector answers.",
		Example: "  cdr2otel demo --exit\n" +
			"  OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 cdr2otel demo",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := untilSignal(c.Context(), syscall.SIGHUP) // the terminal is closed
			defer stop()
			log, err := logs.logger(c.ErrOrStderr())
			if err != nil {
				return err
			}
			d := &demo{out: c.OutOrStdout(), log: log, stay: !exit}
			return d.run(ctx)
		},
	}
	c.Flags().BoolVar(&exit, "exit", false, "end after printing instead of staying up until Ctrl-C")
	logs.flags(c, slog.LevelError)
	return c
}

// demoChatIdle is the silence after which the web chat is complete: nobody waits an
// hour for a demonstration.
const demoChatIdle = time.Second

// demoTraces is how many traces the two calls and the chat become.
const demoTraces = 3

// demo is one demonstration.
type demo struct {
	out  io.Writer
	log  *slog.Logger
	stay bool

	cfg      config.Config
	options  exporter.Options
	secret   configopaque.String
	receiver *otlptest.Receiver // nil: the traces go to the user's endpoint
}

func (d *demo) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "cdr2otel-demo-")
	if err != nil {
		return fmt.Errorf("%w; set TMPDIR to a folder that is there and can be written to", err)
	}
	defer func() {
		if removed := os.RemoveAll(dir); err == nil {
			err = removed
		}
	}()
	if err := d.prepare(dir); err != nil {
		return err
	}
	if d.receiver != nil {
		defer d.receiver.Close()
	}
	sidecar, err := exporter.New(ctx, d.cfg, d.options)
	if err != nil {
		return err
	}
	serving, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- sidecar.Run(serving) }()

	err = d.show(ctx, sidecar)
	if err == nil && d.stay {
		<-ctx.Done()
	}
	end()
	if failed := <-ended; err == nil {
		err = failed
	}
	return err
}

// prepare decides everything the demonstration runs with: a generated secret, a
// store in dir, free loopback ports.
func (d *demo) prepare(dir string) (err error) {
	d.secret = configopaque.String(rand.Text())
	d.cfg = config.Default()
	source := d.cfg.Sources[config.DefaultSource]
	source.Auth.JWT.SecretEnvs, source.Auth.JWT.Secrets = nil, []configopaque.String{d.secret}
	d.cfg.Webhook.Endpoint, d.cfg.Health.Endpoint, d.cfg.Admin.Endpoint = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	d.cfg.Correlation.ChatIdle = demoChatIdle
	d.cfg.Store.URL = "sqlite:" + filepath.Join(dir, "demo.db")
	d.options = exporter.Options{
		Version: build().version,
		Logger:  d.log,
		Getenv:  os.Getenv,
	}
	if endpoint() != "" {
		return nil
	}
	d.receiver, err = otlptest.Start(otlptest.Options{})
	if err != nil {
		return err
	}
	d.options.Getenv = func(name string) string {
		switch name {
		case "OTEL_EXPORTER_OTLP_ENDPOINT":
			return d.receiver.GRPCEndpoint()
		case "OTEL_EXPORTER_OTLP_PROTOCOL":
			return otlptest.ProtocolGRPC
		case "OTEL_METRICS_EXPORTER":
			return "none" // they are scraped, below
		case "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES":
			return os.Getenv(name)
		}
		return "" // whatever else is set is meant for the user's own endpoint
	}
	return nil
}

// endpoint is where the user wants the traces, "" if nowhere.
func endpoint() string {
	if e := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); e != "" {
		return e
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
}

// show posts the sample calls and the chat, waits until they are delivered, and prints
// them, delivered or not.
func (d *demo) show(ctx context.Context, sidecar *exporter.Exporter) error {
	now := time.Now()
	raw, err := sample.Demo(now)
	if err != nil {
		return err
	}
	chat, err := sample.Chat(now)
	if err != nil {
		return err
	}
	raw = append(raw, chat...)
	select {
	case <-sidecar.Started():
	case <-ctx.Done():
		return nil
	}
	began := time.Now()
	if err := d.post(ctx, sidecar.WebhookURL(config.DefaultSource), raw); err != nil {
		return err
	}
	to := d.destination(sidecar)
	d.say("waiting until %s has taken the traces; the chat is complete after a second of silence", to)
	late := awaitDelivery(ctx, sidecar, int64(len(raw)), demoTraces)
	if ctx.Err() != nil {
		return nil
	}
	delivered := time.Since(began)
	requests, err := d.exported(raw)
	if err != nil {
		return err
	}
	fmt.Fprintln(d.out)
	if err := (signals{traces: requests}).draw(d.out, mapping.EventsSpan); err != nil {
		return err
	}
	if err := writeMetrics(ctx, d.out, sidecar); err != nil {
		return err
	}
	fmt.Fprintln(d.out)
	if late != nil {
		late = fmt.Errorf("%s does not answer, or refuses the traces: %w. Nothing is lost: they are sent as soon as it takes them. "+
			"Start the collector, or correct OTEL_EXPORTER_OTLP_ENDPOINT; cdr2otel doctor says what is wrong", to, late)
		if !d.stay {
			return late
		}
		d.say("%v", late)
	} else {
		d.say("%d traces, %d spans delivered to %s after %v", len(requests), spansIn(requests), to, delivered.Round(time.Millisecond))
	}
	if d.stay {
		d.say("The calls, and what became of each webhook, are on these pages until Ctrl-C:")
		d.say("http://%s/", sidecar.AdminAddr())
	}
	return nil
}

// post posts the webhooks as the platform does.
func (d *demo) post(ctx context.Context, url string, raw [][]byte) error {
	d.say("posting %d signed webhooks of two calls and a web chat to %s", len(raw), url)
	began := time.Now()
	platform := client.Client{URL: url, Secret: d.secret}
	for _, body := range raw {
		status, _, err := platform.Post(ctx, body)
		if err != nil {
			return err
		}
		if status != 200 {
			return fmt.Errorf("a webhook was answered %d instead of 200", status)
		}
	}
	d.say("all answered 200 after %v, each on disk first", time.Since(began).Round(time.Millisecond))
	return nil
}

// say prints a line, which a terminal gets in as many as it needs.
func (d *demo) say(format string, args ...any) {
	fmt.Fprintln(d.out, wrap.Text(fmt.Sprintf(format, args...), columns(d.out), 0))
}

// exported are the requests that the receiver got; when they went to the user's
// endpoint, the same ones, computed here.
func (d *demo) exported(raw [][]byte) ([]*coltracepb.ExportTraceServiceRequest, error) {
	if d.receiver == nil {
		mapper, err := exporter.Mapper(d.cfg, config.DefaultSource, d.options)
		if err != nil {
			return nil, err
		}
		read, err := readBodies(raw)
		if err != nil {
			return nil, err
		}
		return read.requests(mapper), nil
	}
	var requests []*coltracepb.ExportTraceServiceRequest
	for _, request := range d.receiver.Requests() {
		if request.Accepted() {
			requests = append(requests, request.Traces)
		}
	}
	// The short call first and the chat last, in whatever order they arrived.
	slices.SortStableFunc(requests, func(a, b *coltracepb.ExportTraceServiceRequest) int {
		return cmp.Or(cmp.Compare(chatLast(a), chatLast(b)), cmp.Compare(spansOf(a), spansOf(b)))
	})
	return requests, nil
}

// destination is where the traces go to, in words.
func (d *demo) destination(sidecar *exporter.Exporter) string {
	to := sidecar.Destination("traces")
	switch {
	case d.receiver != nil:
		return to + " (OTLP/gRPC, in this process)"
	case to == "":
		return "nothing (OTEL_TRACES_EXPORTER=none)"
	}
	return to
}

// chatLast is 1 for a conversation, else 0. A request of ours has one resource, one
// scope, and the root first.
func chatLast(request *coltracepb.ExportTraceServiceRequest) int {
	if request.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0].GetName() == "conversation" {
		return 1
	}
	return 0
}

func spansIn(requests []*coltracepb.ExportTraceServiceRequest) int {
	n := 0
	for _, request := range requests {
		n += spansOf(request)
	}
	return n
}

func spansOf(request *coltracepb.ExportTraceServiceRequest) int {
	n := 0
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			n += len(scope.GetSpans())
		}
	}
	return n
}
