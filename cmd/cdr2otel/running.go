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

// maxAnswer is what is read of an answer, in bytes: a million traces.
const maxAnswer = 64 << 20

// ask sends a request to the admin listener and reads the answer, JSON, into answer; what
// was done in spite of an error too.
func (r *runningSidecar) ask(ctx context.Context, cfg config.Config, method, path, mediaType string, body []byte, answer any) error {
	base, client, err := doctor.AdminListener(cfg, string(r.url))
	if err != nil {
		return fmt.Errorf("the admin listener of the running sidecar is not known: %w; name it with --admin-url", err)
	}
	defer client.CloseIdleConnections()
	client.Timeout = 0 // it takes as long as it takes; Ctrl-C ends it
	request, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Content-Type", mediaType)
	if r.user != "" {
		request.SetBasicAuth(r.user, string(r.password))
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask the running sidecar: %w; start cdr2otel serve, or name its admin listener with --admin-url", err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("ask the running sidecar: %w; the same command completes it", err)
	}
	return readAnswer(response.StatusCode, said, answer)
}

func readAnswer(status int, said []byte, answer any) error {
	var refusal struct {
		Error string `json:"error"`
	}
	readable := json.Unmarshal(said, &refusal) == nil
	switch {
	case status == http.StatusOK && readable && json.Unmarshal(said, answer) == nil:
		return nil
	case status == http.StatusUnauthorized:
		return errors.New("the admin listener wants a password (admin.web_config): use --admin-user and --admin-password-file")
	case readable && refusal.Error != "":
		_ = json.Unmarshal(said, answer) // what was done all the same; it has been read once
		return errors.New(refusal.Error)
	case status == http.StatusBadRequest:
		return errors.New("the admin listener does not speak plain http: name it with --admin-url https://…")
	}
	return fmt.Errorf("the admin listener answered %d; is it that of a sidecar of this release?", status)
}
