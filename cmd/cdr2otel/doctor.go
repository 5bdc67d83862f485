package main

import (
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"cdr2otel/exporter/config"
	"cdr2otel/exporter/doctor"
)

func doctorCommand() *cobra.Command {
	var path string
	var test doctorCall
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check the surroundings of a sidecar, and send a test call",
		Long: "Looks at what a sidecar needs, one line a check, whether one runs or not: configuration and\n" +
			"secrets, the disk of the store, certificate and ports, whether each signal is taken where it\n" +
			"goes to (by an empty request), the clocks. Run it as the user and with the environment of\n" +
			"serve: kubectl exec, docker exec, sudo -u. It changes nothing.\n\n" +
			"--send-test-call posts a synthetic call with its messages to the running sidecar, as the\n" +
			"platform would, and waits until it is exported. It is counted like a real one; all its ids\n" +
			"begin with doctor-.\n\n" +
			"ok: works. warn: works, but should not stay so. FAIL: does not work, and the exit code is 1;\n" +
			"the last line names what failed. note: can't be checked from here. skip: was not looked at.",
		Example: "  cdr2otel doctor --config cdr2otel.yaml\n" +
			"  kubectl -n cdr2otel exec cdr2otel-0 -- /usr/local/bin/cdr2otel doctor --config /etc/cdr2otel/config/cdr2otel.yaml --send-test-call",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			call, err := test.read()
			if err != nil {
				return err
			}
			ctx, stop := untilSignal(c.Context())
			defer stop()
			printer := doctor.Printer{Out: c.OutOrStdout(), Color: colored(c.OutOrStdout())}
			options := doctor.Options{ConfigPath: path, Getenv: os.Getenv, Version: build().version, TestCall: call}
			if !asJSON {
				options.OnFinding = printer.Finding
			}
			report := doctor.Examine(ctx, options)
			if asJSON {
				out := json.NewEncoder(c.OutOrStdout())
				out.SetIndent("", "  ")
				out.SetEscapeHTML(false)
				err = out.Encode(struct {
					Findings doctor.Report `json:"findings"`
					Failed   []string      `json:"failed"`
				}{report, append([]string{}, report.Failed()...)})
			} else {
				printer.Summary(report)
			}
			if err == nil && len(report.Failed()) > 0 {
				err = errSaid
			}
			return err
		},
	}
	configFlag(c, &path)
	test.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return c
}

// doctorCall are the flags of the test call.
type doctorCall struct {
	send  bool
	call  doctor.TestCall
	to    targetURL
	admin runningSidecar
}

func (d *doctorCall) flags(c *cobra.Command) {
	flags := c.Flags()
	flags.BoolVar(&d.send, "send-test-call", false, "also send a test call through the running sidecar")
	flags.StringVar(&d.call.Source, "source", "", "source that the test call is posted to (default: "+config.DefaultSource+", or the only one)")
	flags.Var(&d.to, "url", "URL of the webhook, if the test call is to go another way than by webhook.endpoint")
	flags.DurationVar(&d.call.Deadline, "deadline", 30*time.Second, "how long the test call may take to leave")
	d.admin.flags(c, "")
}

// read returns the test call, nil if none is asked for.
func (d *doctorCall) read() (*doctor.TestCall, error) {
	if !d.send {
		return nil, nil
	}
	if d.call.Deadline < time.Second {
		return nil, errors.New("--deadline: use 1s or more")
	}
	if err := d.admin.read(); err != nil {
		return nil, err
	}
	d.call.URL, d.call.AdminURL = string(d.to), string(d.admin.url)
	d.call.AdminUser, d.call.AdminPassword = d.admin.user, d.admin.password
	return &d.call, nil
}
