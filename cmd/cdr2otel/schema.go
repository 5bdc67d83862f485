package main

import (
	"github.com/spf13/cobra"

	"cdr2otel/exporter/config"
)

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration file",
		Long: "Prints the JSON Schema (2020-12) of the configuration file of this release, with which\n" +
			"editors complete and check keys and values. docs/configuration.md says how.",
		Example: "  cdr2otel schema >cdr2otel.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			schema, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(schema)
			return err
		},
	}
}
