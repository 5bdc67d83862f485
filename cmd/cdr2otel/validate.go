package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
)

func validateCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "validate",
		Short: "Check the configuration and print it as it takes effect",
		Long: "Checks the configuration file, everything it points at (secrets, certificates) and the\n" +
			"OTEL_* variables. All problems go to stderr, one a line, each with its key; the effective\n" +
			"configuration, without secrets, to stdout.",
		Example: "  cdr2otel validate --config cdr2otel.yaml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := config.Load(c.Context(), path)
			problems, ok := asProblems(err)
			if err == nil {
				problems = cfg.CheckFiles(c.Context())
			}
			for _, p := range problems {
				fmt.Fprintln(c.ErrOrStderr(), p)
			}
			environment := exporter.CheckEnvironment(os.Getenv)
			if environment != nil {
				fmt.Fprintln(c.ErrOrStderr(), environment)
			}
			if err != nil && (!ok || problems[0].Key == "") {
				return errSaid // nothing was read that could be shown
			}
			effective, err := cfg.Redacted()
			if err != nil {
				return err
			}
			if _, err := c.OutOrStdout().Write(effective); err != nil {
				return err
			}
			if len(problems) > 0 || environment != nil {
				return errSaid
			}
			return nil
		},
	}
	configFlag(c, &path)
	return c
}

func asProblems(err error) (config.Problems, bool) {
	var problems config.Problems
	ok := errors.As(err, &problems)
	return problems, ok
}

func configFlag(c *cobra.Command, path *string) {
	c.Flags().StringVar(path, "config", "", "configuration file; without one the defaults hold and the secret is in "+config.SecretEnv)
}
