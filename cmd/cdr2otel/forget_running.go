package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/config/configopaque"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/exporter/doctor"
)

// runningSidecar is how the admin listener of one is asked.
type runningSidecar struct {
	url          targetURL
	user         string
	passwordFile string
	password     configopaque.String
}

// flags adds those that name it; note ends the help of --admin-url.
func (r *runningSidecar) flags(c *cobra.Command, note string) {
	flags := c.Flags()
	flags.Var(&r.url, "admin-url", "URL of the admin listener, if it is not at admin.endpoint"+note)
	flags.StringVar(&r.user, "admin-user", "", "user of the admin listener (admin.web_config)")
	flags.StringVar(&r.passwordFile, "admin-password-file", "", "file with that user's password; a line break at its end is ignored")
	c.MarkFlagsRequiredTogether("admin-user", "admin-password-file")
}

func (r *runningSidecar) read() error {
	if strings.Contains(r.user, ":") {
		return errors.New("--admin-user: a user has no colon (RFC 7617)")
	}
	if r.passwordFile == "" {
		return nil
	}
	password, err := config.ReadSecret(r.passwordFile)
	if err != nil {
		return fmt.Errorf("--admin-password-file: %w", err)
	}
	r.password = configopaque.String(password)
	return nil
}

// maxForgotten is what is read of an answer, in bytes: a million traces.
const maxForgotten = 64 << 20

// forget asks the admin listener.
func (r *runningSidecar) forget(ctx context.Context, cfg config.Config, who exporter.Person) (gone exporter.Forgotten, err error) {
	base, client, err := doctor.AdminListener(cfg, string(r.url))
	if err != nil {
		return gone, fmt.Errorf("a sidecar has the store, and its admin listener is not known: %w; name it with --admin-url", err)
	}
	defer client.CloseIdleConnections()
	client.Timeout = 0 // it takes as long as it takes; Ctrl-C ends it
	body, err := json.Marshal(who)
	if err != nil {
		return gone, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/forget", bytes.NewReader(body))
	if err != nil {
		return gone, err
	}
	request.Header.Set("Content-Type", "application/json")
	if r.user != "" {
		request.SetBasicAuth(r.user, string(r.password))
	}
	response, err := client.Do(request)
	if err != nil {
		return gone, fmt.Errorf("ask the running sidecar: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxForgotten))
	if err != nil {
		return gone, fmt.Errorf("ask the running sidecar: %w; the same command completes it", err)
	}
	return forgottenBy(response.StatusCode, answer)
}

func forgottenBy(status int, answer []byte) (gone exporter.Forgotten, err error) {
	var refusal struct {
		Error string `json:"error"`
	}
	readable := json.Unmarshal(answer, &refusal) == nil
	switch {
	case status == http.StatusOK && readable && json.Unmarshal(answer, &gone) == nil:
		return gone, nil
	case status == http.StatusUnauthorized:
		return gone, errors.New("the admin listener wants a password (admin.web_config): use --admin-user and --admin-password-file")
	case readable && refusal.Error != "":
		_ = json.Unmarshal(answer, &gone) // what was forgotten all the same; it has been read once
		return gone, errors.New(refusal.Error)
	case status == http.StatusBadRequest:
		return gone, errors.New("the admin listener does not speak plain http: name it with --admin-url https://…")
	}
	return gone, fmt.Errorf("the admin listener answered %d; is it that of a sidecar of this release?", status)
}
