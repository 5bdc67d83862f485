package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
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
			"them, and prints the traces that serve would export, with the same ids. It needs no\n" +
			"sidecar and no network.\n\n" +
			"--output otlp-json prints one request a line. With mapping.events log or both, the\n" +
			"requests of the log records follow those of the traces; the tree marks with ◇ what is a\n" +
			"log record only.",
		Example: "  cdr2otel convert examples/webhooks/dtmf_call.*.json\n" +
			"  cdr2otel convert --output otlp-json - < bodies.ndjson > otlp.jsonl",
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
			mapped := read.signals(mapper)
			switch {
			case len(mapped.traces) == 0:
				return errors.New("no CDR and no message log in the input")
			case format == formatOTLPJSON:
				return mapped.writeJSON(c.OutOrStdout())
			}
			return mapped.draw(c.OutOrStdout(), mapper.Events())
		},
	}
	configFlag(c, &path)
	c.Flags().StringVar(&source, "source", config.DefaultSource, "configured name of the source that the bodies came from")
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
