package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/config/configopaque"
	"golang.org/x/net/http/httpguts"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/client"
)

const (
	defaultConcurrency = 16
	maxConcurrency     = 1024
	defaultState       = "cdr2otel-replay.state"
)

func replayCommand() *cobra.Command {
	var to targetURL
	var auth replayAuth
	var state string
	concurrency := defaultConcurrency
	c := &cobra.Command{
		Use:   "replay --to URL [--secret-file FILE] FILE...",
		Short: "Post webhook bodies from files to a running sidecar",
		Long: "Posts webhook bodies (JSON or NDJSON, with their envelope; - is stdin) as the platform\n" +
			"does, signed, in the order of the files. On 503 or 429 it waits as Retry-After asks. It\n" +
			"repeats a request that got no answer.\n\n" +
			"A file in the working directory (--state) remembers what was acknowledged. After Ctrl-C\n" +
			"or an error the same command continues there, and posts again what was refused. The file\n" +
			"is deleted when everything is acknowledged. Replaying twice changes nothing, as long as\n" +
			"the sidecar remembers the events (store.retention).\n\n" +
			"The headers that the platform adds are not sent, so header_attributes of the source have\n" +
			"no effect. Calls that ended longer ago than metrics.max_age are exported but not measured.\n\n" +
			"The secret is in --secret-file, or else in " + config.SecretEnv + ".",
		Example: "  cdr2otel replay --to https://telemetry.example.com/webhook/live --secret-file secret bodies.ndjson\n" +
			"  zcat bodies-*.ndjson.gz | cdr2otel replay --to http://localhost:8080/webhook --secret-file secret -",
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			if concurrency < 1 || concurrency > maxConcurrency {
				return fmt.Errorf("--concurrency: use 1 to %d", maxConcurrency)
			}
			// Bodies and token would go out directly, past a proxy that can't be read.
			if err := exporter.CheckProxies(os.Getenv).Err(); err != nil {
				return err
			}
			secret, err := auth.read()
			if err != nil {
				return err
			}
			posted, err := openState(state, string(to))
			if err != nil {
				return err
			}
			ctx, stop := untilSignal(c.Context())
			defer stop()
			http := client.NewHTTPClient(concurrency)
			defer http.CloseIdleConnections()
			r := replay{
				client:      client.Client{URL: string(to), Secret: secret, Header: auth.header, User: auth.user, HTTPClient: http},
				concurrency: concurrency,
				state:       posted,
				show:        newProgress(c.ErrOrStderr(), files),
				gate:        gate{now: time.Now, wait: waitFor},
			}
			began := time.Now()
			err = r.run(ctx, files, c.InOrStdin())
			r.tally.report(c.OutOrStdout(), c.ErrOrStderr(), time.Since(began))
			if closed := posted.close(); err == nil {
				err = closed
			}
			return err
		},
	}
	flags := c.Flags()
	flags.Var(&to, "to", "URL of the webhook, of the source that the bodies came from")
	flags.StringVar(&auth.file, "secret-file", "", "file with the webhook's secret; a line break at its end is ignored")
	flags.StringVar(&auth.header, "header", "", "the source has header authentication: name of the header, its value is the secret")
	flags.StringVar(&auth.user, "user", "", "the source has basic authentication: name of the user, the password is the secret")
	flags.IntVar(&concurrency, "concurrency", concurrency, "requests at the same time")
	flags.StringVar(&state, "state", defaultState, "file that remembers what was acknowledged, until everything is")
	c.MarkFlagsMutuallyExclusive("header", "user")
	if err := c.MarkFlagRequired("to"); err != nil {
		panic(err) // the flag is defined above
	}
	return c
}

// targetURL is a flag that accepts only what can be posted to.
type targetURL string

func (t *targetURL) String() string { return string(*t) }
func (t *targetURL) Type() string   { return "URL" }

func (t *targetURL) Set(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return errors.New("use a URL like https://host/webhook/live")
	case u.User != nil:
		return errors.New("use --user and --secret-file; a password in a URL is seen by others")
	}
	*t = targetURL(text)
	return nil
}

// replayAuth is how the source is convinced; by a token unless header or user is set.
type replayAuth struct{ file, header, user string }

func (a replayAuth) read() (configopaque.String, error) {
	secret, err := a.secret()
	switch {
	case err != nil:
		return "", err
	case a.header != "" && !httpguts.ValidHeaderFieldName(a.header):
		return "", fmt.Errorf("--header: %q is not the name of a header", a.header)
	case a.header != "" && !httpguts.ValidHeaderFieldValue(secret):
		return "", errors.New("the secret can't be the value of a header; is it the right file?")
	case strings.Contains(a.user, ":"):
		return "", errors.New("--user: a user has no colon (RFC 7617)")
	}
	return configopaque.String(secret), nil
}

// secret reads as the sources of the configuration do.
func (a replayAuth) secret() (string, error) {
	if a.file != "" {
		secret, err := config.ReadSecret(a.file)
		if err != nil {
			return "", fmt.Errorf("--secret-file: %w", err)
		}
		return string(secret), nil
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(os.Getenv(config.SecretEnv), "\n"), "\r")
	if strings.TrimSpace(secret) == "" {
		return "", fmt.Errorf("no secret; use --secret-file or set %s", config.SecretEnv)
	}
	return secret, nil
}

// waitFor returns after d, or with an error as soon as ctx ends.
func waitFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
