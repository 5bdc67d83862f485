// Command cdr2otel turns the log webhooks of IBM watsonx Assistant into
// OpenTelemetry traces.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run runs one command and returns its exit code. What goes wrong before the
// command's own work begins is usage.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	began := false
	root := rootCommand()
	for _, command := range root.Commands() {
		work := command.RunE
		command.RunE = func(c *cobra.Command, args []string) error {
			began = true
			return work(c, args)
		}
	}
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteC()
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errSaid):
		return exitFailed
	}
	if !began {
		fmt.Fprintf(stderr, "cdr2otel: %s; see %s --help\n", oneLine(err.Error()), command.CommandPath())
		return exitUsage
	}
	fmt.Fprintf(stderr, "cdr2otel: %s\n", oneLine(err.Error()))
	return exitFailed
}

// errSaid ends a command that has already said what is wrong.
var errSaid = errors.New("already said")

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "cdr2otel",
		Short: "watsonx Assistant calls as OpenTelemetry traces",
		Long: "cdr2otel receives the log webhooks of IBM watsonx Assistant (call detail records and\n" +
			"message logs), keeps them durably, joins them by log_id and exports each call as one\n" +
			"OpenTelemetry trace. Start with: cdr2otel demo",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.Version = build().version
	root.SetVersionTemplate(versionText())
	root.AddCommand(
		serveCommand(), demoCommand(), validateCommand(), convertCommand(), schemaCommand(),
		replayCommand(), retryCommand(), forgetCommand(), idCommand(), tokenCommand(), doctorCommand(), healthCommand(), versionCommand(),
	)
	return root
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
