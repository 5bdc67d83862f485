package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
)

func validateCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Check the configuration and print it as it takes effect",
		Long: "Checks the configuration file, everything it points at (secrets, certificates) and the\n" +
			"environment variables. When all is well the effective configuration goes to stdout, without\n" +
			"secrets. Otherwise all problems go to stderr, one a line, each with its key, and nothing\n" +
			"else does. Warnings go to stderr, too.",
		Example: "  cdr2otel validate cdr2otel.yaml",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return errors.New("more than one file; name one")
			case len(args) == 1 && path != "" && path != args[0]:
				return fmt.Errorf("two files, %s and --config %s; name one", args[0], path)
			case len(args) == 1:
				path = args[0]
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, problems := config.Check(c.Context(), path)
			environment := exporter.CheckEnvironment(os.Getenv)
			problems = append(problems, environment.Problems...)
			if len(problems) > 0 {
				printWarnings(c.ErrOrStderr(), environment)
				for _, p := range problems {
					fmt.Fprintln(c.ErrOrStderr(), p)
				}
				return errSaid
			}
			effective, err := cfg.Redacted()
			if err != nil {
				return err
			}
			if _, err := c.OutOrStdout().Write(effective); err != nil {
				return err
			}
			printWarnings(c.ErrOrStderr(), environment)
			return nil
		},
	}
	configFlag(c, &path)
	return c
}

func printWarnings(to io.Writer, environment exporter.Environment) {
	for _, w := range environment.Warnings {
		fmt.Fprintf(to, "warning: %s\n", w)
	}
}

func asProblems(err error) (config.Problems, bool) {
	var problems config.Problems
	ok := errors.As(err, &problems)
	return problems, ok
}

// configFlag adds --config to a command. Of a command without arguments it also
// explains one: it is mostly the file.
func configFlag(c *cobra.Command, path *string) {
	c.Flags().StringVar(path, "config", "", "configuration file; without one the defaults hold and the secret is in "+config.SecretEnv)
	check := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		err := check(c, args)
		if err != nil && len(args) > 0 && c.Use == c.Name() {
			return fmt.Errorf("unexpected argument %q; name a configuration file with --config FILE", args[0])
		}
		return err
	}
}
