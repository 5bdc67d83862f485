package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/config/configopaque"

	"cdr2otel/exporter/config"
	"cdr2otel/internal/client"
)

func tokenCommand() *cobra.Command {
	var secretFile string
	var ttl time.Duration
	c := &cobra.Command{
		Use:   "token --secret-file FILE",
		Short: "Print a JWT as the platform would send it, for curl",
		Example: "  curl -H \"Authorization: $(cdr2otel token --secret-file secret)\" \\\n" +
			"       -d @examples/webhooks/dtmf_call.cdr.json http://localhost:8080/webhook",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if ttl < time.Second {
				return errors.New("--ttl is below a second; the token would have expired on arrival")
			}
			secret, err := config.ReadSecret(secretFile)
			if err != nil {
				return fmt.Errorf("--secret-file: %w", err)
			}
			platform := client.Client{Secret: configopaque.String(secret), TTL: ttl}
			token, err := platform.Token(time.Now())
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), token)
			return nil
		},
	}
	c.Flags().StringVar(&secretFile, "secret-file", "", "file with the webhook's secret; a line break at its end is ignored")
	c.Flags().DurationVar(&ttl, "ttl", client.DefaultTTL, "lifetime of the token")
	if err := c.MarkFlagRequired("secret-file"); err != nil {
		panic(err) // the flag is defined two lines above
	}
	return c
}
