package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/tracetree"
	"cdr2otel/mapping"
)

// outputFormat of convert, as a flag that accepts only what exists.
type outputFormat string

const (
	formatTree     outputFormat = "tree"
	formatOTLPJSON outputFormat = "otlp-json"
)

func (f *outputFormat) String() string { return string(*f) }
func (f *outputFormat) Type() string   { return "tree|otlp-json" }

func (f *outputFormat) Set(text string) error {
	switch format := outputFormat(text); format {
	case formatTree, formatOTLPJSON:
		*f = format
		return nil
	}
	return errors.New("use tree or otlp-json")
}

func convertCommand() *cobra.Command {
	var path, source string
	format := formatTree
	c := &cobra.Command{
		Use:   "convert FILE...",
		Short: "Convert webhook bodies offline, to a text tree or OTLP/JSON",
		Long: "Reads webhook bodies (JSON or NDJSON, with or without their envelope; - is stdin), joins\n" +
			"them and prints the traces that serve would export, with the same ids. otlp-json is one\n" +
			"request a line.",
		Example: "  cdr2otel convert examples/webhooks/dtmf_call.*.json\n" +
			"  cdr2otel convert --output otlp-json - < bodies.ndjson > traces.jsonl",
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			cfg, err := config.Load(c.Context(), path)
			if err != nil {
				return configError(path, err)
			}
			if _, ok := cfg.Sources[source]; !ok {
				return fmt.Errorf("--source: %q is not in the configuration; ids depend on it", source)
			}
			mapper, err := exporter.Mapper(cfg, source, exporter.Options{Version: build().version})
			if err != nil {
				return err
			}
			read := bodies{now: time.Now()}
			if err := read.readFiles(files, c.InOrStdin()); err != nil {
				return err
			}
			for _, skipped := range read.skipped {
				fmt.Fprintln(c.ErrOrStderr(), skipped)
			}
			requests := read.requests(mapper)
			if len(requests) == 0 {
				return errors.New("no CDR and no message log in the input")
			}
			return write(c.OutOrStdout(), requests, format)
		},
	}
	configFlag(c, &path)
	c.Flags().StringVar(&source, "source", config.DefaultSource, "configured name of the source the bodies came from")
	c.Flags().Var(&format, "output", "what to print")
	return c
}

// configError is one line about a configuration that can't be used.
func configError(path string, err error) error {
	problems, ok := asProblems(err)
	if !ok || len(problems) < 2 {
		return err
	}
	command := "cdr2otel validate"
	if path != "" {
		command += " --config " + path
	}
	return fmt.Errorf("%s (and %d more: %s lists them)", problems[0], len(problems)-1, command)
}

func write(w io.Writer, requests []*coltracepb.ExportTraceServiceRequest, format outputFormat) error {
	if format == formatTree {
		return tracetree.Render(w, requests, tracetree.Options{Color: colored(w)})
	}
	for _, request := range requests {
		line, err := otlpJSON(request)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s\n", line); err != nil {
			return err
		}
	}
	return nil
}

// otlpJSON is a request in OTLP/JSON (OTLP 1.x, "JSON Protobuf Encoding": ids in
// hex, enums as numbers).
func otlpJSON(request *coltracepb.ExportTraceServiceRequest) ([]byte, error) {
	encoded, err := mapping.Encode(request)
	if err != nil {
		return nil, err
	}
	decoded := ptraceotlp.NewExportRequest()
	if err := decoded.UnmarshalProto(encoded); err != nil {
		return nil, err
	}
	return decoded.MarshalJSON()
}

// colored tells whether w is a terminal whose user wants colours
// (https://no-color.org).
func colored(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && isatty.IsTerminal(file.Fd()) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
