package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"cdr2otel/exporter/config"
)

func healthCommand() *cobra.Command {
	address := healthAddress(net.JoinHostPort("127.0.0.1", healthPort()))
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "health",
		Short: "Ask a running sidecar whether it is ready",
		Long: "Asks /readyz of the health listener and prints the answer on one line. The exit code is\n" +
			"0 when webhooks can be acknowledged, else 1. A collector that is down does not change\n" +
			"it. For container platforms that check health with a command; others ask /readyz.",
		Example: "  cdr2otel health\n" +
			"  cdr2otel health --endpoint 10.0.0.7:13134 --timeout 2s",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return errors.New("--timeout: use more than 0s")
			}
			ctx, cancel := context.WithTimeout(c.Context(), timeout)
			defer cancel()
			r, err := askReadiness(ctx, string(address))
			if err != nil {
				return noHealth(string(address), timeout, err)
			}
			return r.report(c.OutOrStdout())
		},
	}
	c.Flags().Var(&address, "endpoint", "host:port of the health listener, as in health.endpoint")
	c.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "how long to wait for the answer")
	return c
}

// healthPort is that of health.endpoint where no configuration sets it.
func healthPort() string {
	_, port, _ := net.SplitHostPort(config.Default().Health.Endpoint)
	return port
}

// report prints what /readyz said.
func (r readiness) report(out io.Writer) error {
	state := "ready"
	if r.NotReady != "" {
		state = "not ready: " + oneLine(r.NotReady)
	}
	for _, signal := range []string{"traces", "logs"} {
		if how := r.Delivery[signal]; how != "" {
			state += "; " + signal + " " + how
		}
	}
	events := fmt.Sprintf("%d events pending, %d dead", r.Events["pending"], r.Events["dead"])
	if r.EventsUnread {
		events = "the events can't be read"
	}
	if _, err := fmt.Fprintf(out, "%s; %s\n", state, events); err != nil {
		return err
	}
	if r.NotReady != "" {
		return errSaid
	}
	return nil
}

// noHealth says why there is no answer, and what to do.
func noHealth(address string, timeout time.Duration, err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens at %s; start cdr2otel serve, or set --endpoint to its health.endpoint", address)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer from %s within %v", address, timeout)
	}
	return fmt.Errorf("no answer from %s: %w", address, err)
}

// healthAddress is a flag that accepts only host:port.
type healthAddress string

func (a *healthAddress) String() string { return string(*a) }
func (a *healthAddress) Type() string   { return "HOST:PORT" }

func (a *healthAddress) Set(text string) error {
	host, port, err := net.SplitHostPort(text)
	if number, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil || number == 0 {
		return errors.New("use host:port, such as 127.0.0.1:" + healthPort())
	}
	if slices.Contains([]string{"", "0.0.0.0", "::"}, host) { // every address: also this one
		host = "127.0.0.1"
	}
	*a = healthAddress(net.JoinHostPort(host, port))
	return nil
}
