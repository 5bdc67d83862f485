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
	var admin runningSidecar
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check the surroundings of a sidecar, and send a test call",
		Long: "Checks what a sidecar needs, before it runs and while it runs: configuration and secrets,\n" +
			"the store's disk or database, the certificate, the ports, the receiver of each signal (by\n" +
			"an empty request), the clocks. It prints one line a check and changes nothing. Run it as\n" +
			"the user and with the environment of serve: kubectl exec, docker exec, sudo -u, or with\n" +
			"systemd as docs/deployment.md shows.\n\n" +
			"--send-test-call posts a synthetic call with its messages to the running sidecar, as the\n" +
			"platform would, and waits until it is exported. It is counted like a real one; all its ids\n" +
			"begin with doctor-.\n\n" +
			"ok: works. warn: works, but should be changed. FAIL: does not work, and the exit code is\n" +
			"1; the last line names the checks that failed. note: can't be checked from here. skip: not\n" +
			"checked. On a terminal long lines are broken; piped, each check is one line.",
		Example: "  cdr2otel doctor --config cdr2otel.yaml\n" +
			"  kubectl -n cdr2otel exec cdr2otel-0 -- /usr/local/bin/cdr2otel doctor --config /etc/cdr2otel/config/cdr2otel.yaml --send-test-call",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			call, err := test.read()
			if err == nil {
				err = admin.read()
			}
			if err != nil {
				return err
			}
			ctx, stop := untilSignal(c.Context())
			defer stop()
			printer := doctor.Printer{Out: c.OutOrStdout(), Color: colored(c.OutOrStdout()), Width: columns(c.OutOrStdout())}
			options := doctor.Options{ConfigPath: path, Getenv: os.Getenv, Version: build().version, TestCall: call}
			options.Admin = doctor.Admin{URL: string(admin.url), User: admin.user, Password: admin.password}
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
	admin.flags(c, "")
	c.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return c
}

// doctorCall are the flags of the test call.
type doctorCall struct {
	send bool
	call doctor.TestCall
	to   targetURL
}

func (d *doctorCall) flags(c *cobra.Command) {
	flags := c.Flags()
	flags.BoolVar(&d.send, "send-test-call", false, "also send a test call through the running sidecar")
	flags.StringVar(&d.call.Source, "source", "", "source that the test call is posted to (default: "+config.DefaultSource+", or the only one)")
	flags.Var(&d.to, "url", "URL for the test call, if it should not go to webhook.endpoint")
	flags.DurationVar(&d.call.Deadline, "deadline", 30*time.Second, "how long the test call may take to be exported")
}

// read returns the test call, nil if none is asked for.
func (d *doctorCall) read() (*doctor.TestCall, error) {
	if !d.send {
		return nil, nil
	}
	if d.call.Deadline < time.Second {
		return nil, errors.New("--deadline: use 1s or more")
	}
	d.call.URL = string(d.to)
	return &d.call, nil
}
