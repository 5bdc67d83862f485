package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/mapping"
)

func forgetCommand() *cobra.Command {
	var path string
	var who exporter.Person
	var caller phoneNumber
	var running runningSidecar
	c := &cobra.Command{
		Use:   "forget (--session-id X | --call-id X | --customer-id X | --caller NUMBER)",
		Short: "Delete a person's events from the store, and name the traces to delete",
		Long: "For privacy requests. Deletes whole calls and conversations from the store, with all their\n" +
			"messages, log records and requests, also those that wait and dead letters, and overwrites\n" +
			"them on disk. Prints the ids of the traces that were exported in whole or in part, one a\n" +
			"line: delete those in the back end, and the person's data in the platform, which has its\n" +
			"own copy.\n\n" +
			"While serve runs, this command asks its admin listener to do it; otherwise it opens the\n" +
			"store. It reads the whole store, so a large one takes minutes. If it is interrupted, the\n" +
			"same command or the next serve completes it.\n\n" +
			"When the platform repeats a deleted event it is not stored again, until store.retention\n" +
			"is over. New events of the same person are stored. Traces that were exported before\n" +
			"store.retention are not known here any more: cdr2otel id computes the id of such a trace.",
		Example: "  cdr2otel forget --source live --session-id 1f6ba52b-3d31-4b6a-8e2a-1d2c3b4a5f60 --config cdr2otel.yaml\n" +
			"  cdr2otel forget --caller '+1 555 867 5309' > traces.txt",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			who.Caller = string(caller)
			cfg, err := config.Load(c.Context(), path)
			if err != nil {
				return configError(path, err)
			}
			if err := running.read(); err != nil {
				return err
			}
			ctx, stop := untilSignal(c.Context())
			defer stop()
			gone, err := forget(ctx, cfg, who, running)
			if err == nil {
				return reportForgotten(c.OutOrStdout(), c.ErrOrStderr(), who.Source, gone)
			}
			if gone.Events > 0 {
				if said := reportForgotten(c.OutOrStdout(), c.ErrOrStderr(), who.Source, gone); said != nil {
					return said
				}
				err = fmt.Errorf("the same command completes it: %w", err)
			}
			return err
		},
	}
	configFlag(c, &path)
	flags := c.Flags()
	flags.StringVar(&who.Source, "source", config.DefaultSource, "configured name of the source")
	flags.StringVar(&who.SessionID, "session-id", "", "session_id of a call or conversation")
	flags.StringVar(&who.CallID, "call-id", "", "global_session_id or SIP Call-ID of a call")
	flags.StringVar(&who.CustomerID, "customer-id", "", "customer_id of the message logs, or the user_id of those without one")
	flags.Var(&caller, "caller", "telephone number of the person, with country code; how it is written does not matter")
	c.MarkFlagsOneRequired("session-id", "call-id", "customer-id", "caller")
	c.MarkFlagsMutuallyExclusive("session-id", "call-id", "customer-id", "caller")
	running.flags(c, "; the store is then not opened here")
	return c
}

// forget asks the running sidecar, or opens the store when none runs.
func forget(ctx context.Context, cfg config.Config, who exporter.Person, running runningSidecar) (exporter.Forgotten, error) {
	if running.url != "" {
		return running.forget(ctx, cfg, who)
	}
	gone, err := exporter.Forget(ctx, cfg, who)
	if errors.Is(err, exporter.ErrStoreInUse) {
		return running.forget(ctx, cfg, who)
	}
	return gone, err
}

// forget asks the admin listener.
func (r *runningSidecar) forget(ctx context.Context, cfg config.Config, who exporter.Person) (gone exporter.Forgotten, err error) {
	body, err := json.Marshal(who)
	if err != nil {
		return gone, err
	}
	err = r.ask(ctx, cfg, http.MethodPost, "/forget", "application/json", body, &gone)
	return gone, err
}

// reportForgotten writes the traces for a program to read, and a sentence for a
// person.
func reportForgotten(out, errs io.Writer, source string, gone exporter.Forgotten) error {
	for _, trace := range gone.Traces {
		if _, err := fmt.Fprintln(out, trace); err != nil {
			return fmt.Errorf("print the traces: %w", err)
		}
	}
	if gone.Events == 0 && len(gone.Traces) == 0 {
		fmt.Fprintf(errs, "nothing of that person is in the store of source %s\n", source)
		return nil
	}
	fmt.Fprintf(errs, "forgot %s of source %s, %d of them not exported; %s to delete in the back end\n",
		counted(gone.Events, "event"), source, gone.NotExported, counted(len(gone.Traces), "trace"))
	return nil
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// phoneNumber is a flag that accepts only what a caller can be found by.
type phoneNumber string

func (p *phoneNumber) String() string { return string(*p) }
func (p *phoneNumber) Type() string   { return "NUMBER" }

func (p *phoneNumber) Set(text string) error {
	if mapping.PhoneNumber(text) == "" {
		return errors.New("use a telephone number like +15558675309")
	}
	*p = phoneNumber(text)
	return nil
}
