package doctor_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/exporter/doctor"
	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret of the sources, long enough to be no matter.
const secret = "purple-unicorn-0123456789abcdef-0123456789"

// surroundings are those of one sidecar: a configuration file, a directory, addresses
// of its own and an environment.
type surroundings struct {
	t                      *testing.T
	dir                    string
	webhook, health, admin string // host:port
	env                    map[string]string
	yaml                   string // added to the file
	auth                   string // of the source default

	asking doctor.Admin // the running sidecar
}

// noSuchName is known not to be there without asking a name server, which there may be
// none of: no name has two dots.
const noSuchName = "collector..invalid"

// surround makes surroundings in which all is well: telemetry goes to r.
func surround(t *testing.T, r *otlptest.Receiver) *surroundings {
	t.Helper()
	s := &surroundings{
		t:       t,
		dir:     t.TempDir(),
		webhook: testenv.FreeAddress(t), health: testenv.FreeAddress(t), admin: testenv.FreeAddress(t),
		env:  map[string]string{},
		auth: fmt.Sprintf("{jwt: {secrets: [%s]}}", secret),
	}
	if r != nil {
		s.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = r.HTTPEndpoint()
	}
	return s
}

func (s *surroundings) listeners() map[string]string {
	return map[string]string{"webhook": s.webhook, "health": s.health, "admin": s.admin}
}

func (s *surroundings) path() string { return filepath.Join(s.dir, "cdr2otel.yaml") }

// write writes the configuration file.
func (s *surroundings) write() {
	s.t.Helper()
	text := s.yaml
	for _, section := range []struct{ key, value string }{
		{"webhook", fmt.Sprintf("{endpoint: %q}", s.webhook)},
		{"health", fmt.Sprintf("{endpoint: %q}", s.health)},
		{"admin", fmt.Sprintf("{endpoint: %q}", s.admin)},
		{"store", fmt.Sprintf(`{url: "sqlite:%s", max_size: 16MiB}`, filepath.Join(s.dir, "store.db"))},
		{"sources", "{default: {auth: " + s.auth + "}}"},
	} {
		if !strings.HasPrefix(text, section.key+":") && !strings.Contains(text, "\n"+section.key+":") {
			text += fmt.Sprintf("\n%s: %s\n", section.key, section.value)
		}
	}
	if err := os.WriteFile(s.path(), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// file writes one into the directory and returns its path.
func (s *surroundings) file(name string, content []byte) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *surroundings) getenv(name string) string { return s.env[name] }

// examine writes the file and has everything checked.
func (s *surroundings) examine(test *doctor.TestCall) findings {
	s.t.Helper()
	s.write()
	report := doctor.Examine(s.t.Context(), doctor.Options{ConfigPath: s.path(), Getenv: s.getenv, Version: "test", Admin: s.asking, TestCall: test})
	return findings{s.t, report}
}

// serve runs a sidecar in these surroundings until the test ends.
func (s *surroundings) serve() {
	s.t.Helper()
	s.write()
	cfg, err := config.Load(s.t.Context(), s.path())
	if err != nil {
		s.t.Fatal(err)
	}
	sidecar, err := exporter.New(s.t.Context(), cfg, exporter.Options{Getenv: s.getenv})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sidecar.Run(ctx) }()
	<-sidecar.Started()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("the sidecar ended with: %v", err)
		}
	})
}

// findings are a report that a test looks at.
type findings struct {
	t *testing.T
	doctor.Report
}

// want looks for a finding of a check in that state with all texts.
func (f findings) want(check string, state doctor.State, texts ...string) {
	f.t.Helper()
	for _, found := range f.Report {
		line := found.Seen + "; " + found.Do
		if found.Check != check || found.State != state {
			continue
		}
		all := true
		for _, text := range texts {
			all = all && strings.Contains(line, text)
		}
		if all {
			return
		}
	}
	f.t.Errorf("no finding %q of %s has %q in\n%s", state, check, texts, f)
}

func (f findings) String() string {
	var b strings.Builder
	for _, found := range f.Report {
		doctor.Printer{Out: &b}.Finding(found)
	}
	return b.String()
}
