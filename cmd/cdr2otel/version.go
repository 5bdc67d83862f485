package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"cdr2otel/mapping"
)

// version of the release, set by -ldflags "-X main.version=v0.1.0". Without it,
// it is what the build knows.
var version = ""

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print version, commit, Go version and semantic-convention versions",
		Example: "  cdr2otel version",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(c.OutOrStdout(), versionText())
			return err
		},
	}
}

// versionText is what version and --version print.
func versionText() string {
	b := build()
	return fmt.Sprintf("cdr2otel              %s\ncommit                %s\ngo                    %s\nsemantic conventions  %s\n",
		b.version, b.commit, b.goVersion, mapping.SchemaURL)
}

// built is what is known of this binary.
type built struct{ version, commit, goVersion string }

func build() built {
	b := built{version: version, commit: "unknown", goVersion: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.goVersion = info.GoVersion
	if b.version == "" {
		b.version = info.Main.Version
	}
	dirty := ""
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			b.commit = setting.Value
		case "vcs.modified":
			if setting.Value == "true" {
				dirty = " (with changes)"
			}
		}
	}
	b.commit += dirty
	if b.version == "" {
		b.version = "(devel)"
	}
	return b
}
