package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"cdr2otel/exporter/config"
)

func retryCommand() *cobra.Command {
	var path, reason, source string
	var running runningSidecar
	c := &cobra.Command{
		Use:   "retry [--reason R]",
		Short: "Retry all dead letters of one reason, in a running sidecar",
		Long: "Without --reason, prints the reasons that have dead letters to retry, each with their\n" +
			"number, and changes nothing. With it, sends again everything that died of that reason,\n" +
			"oldest first. Use it once the cause is mended: a limit of the receiver was raised, a\n" +
			"missing header is there. What the receiver refuses again is a dead letter again.\n\n" +
			"Needs a running sidecar: this command asks its admin listener. Dead letters that this\n" +
			"release can't map are not among them: after an upgrade retry those on their pages.",
		Example: "  cdr2otel retry --config cdr2otel.yaml\n" +
			"  cdr2otel retry --config cdr2otel.yaml --reason too_large --source live",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := config.Load(c.Context(), path)
			if err != nil {
				return configError(path, err)
			}
			if err := running.read(); err != nil {
				return err
			}
			ctx, stop := untilSignal(c.Context())
			defer stop()
			if !c.Flags().Changed("reason") {
				return running.listReasons(ctx, cfg, source, c.OutOrStdout(), c.ErrOrStderr())
			}
			retried, err := running.retry(ctx, cfg, source, reason)
			if err != nil && retried > 0 {
				return fmt.Errorf("%s retried, then: %w", counted(retried, "dead letter"), err)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s of reason %s retried\n", counted(retried, "dead letter"), reason)
			return nil
		},
	}
	configFlag(c, &path)
	c.Flags().StringVar(&reason, "reason", "", "reason of the dead letters to retry, as the list without this flag has it")
	c.Flags().StringVar(&source, "source", "", "configured name of the only source to retry; without it all sources")
	running.flags(c, "")
	return c
}

// listReasons prints a line for each reason, for a program to read.
func (r *runningSidecar) listReasons(ctx context.Context, cfg config.Config, source string, out, errs io.Writer) error {
	var found struct {
		Reasons []struct {
			Reason      string `json:"reason"`
			DeadLetters int64  `json:"dead_letters"`
		} `json:"reasons"`
		Complete bool `json:"complete"`
	}
	if err := r.ask(ctx, cfg, http.MethodGet, "/retry?"+url.Values{"source": {source}}.Encode(), "", nil, &found); err != nil {
		return err
	}
	for _, one := range found.Reasons {
		if _, err := fmt.Fprintln(out, one.Reason, one.DeadLetters); err != nil {
			return fmt.Errorf("print the reasons: %w", err)
		}
	}
	switch {
	case !found.Complete:
		fmt.Fprintln(errs, "there are more dead letters; only the oldest were counted")
	case len(found.Reasons) == 0:
		fmt.Fprintln(errs, "there are no dead letters that can be retried together")
	}
	return nil
}

// retry asks until no dead letter of the reason is left: the sidecar answers each request
// within seconds.
func (r *runningSidecar) retry(ctx context.Context, cfg config.Config, source, reason string) (retried int, err error) {
	fields := url.Values{"source": {source}, "reason": {reason}}
	for {
		var done struct {
			Retried int   `json:"retried"`
			Next    int64 `json:"next"`
		}
		err := r.ask(ctx, cfg, http.MethodPost, "/retry", "application/x-www-form-urlencoded", []byte(fields.Encode()), &done)
		retried += done.Retried
		if err != nil || done.Next == 0 {
			return retried, err
		}
		fields.Set("after", strconv.FormatInt(done.Next, 10))
	}
}
