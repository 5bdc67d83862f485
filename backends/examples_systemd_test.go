package backends

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/unit"

	"cdr2otel/internal/testenv"
)

// exposure is what systemd-analyze may at most say of the unit, times ten: 100 is a
// service without any protection.
const exposure = "15"

// systemdUnit are the directives of examples/systemd/cdr2otel.service by name.
func systemdUnit(t testing.TB) map[string][]string {
	t.Helper()
	options, err := unit.DeserializeOptions(strings.NewReader(readExample(t, repoPath("examples", "systemd", "cdr2otel.service"))))
	if err != nil {
		t.Fatal(err)
	}
	directives := map[string][]string{}
	for _, o := range options {
		directives[o.Name] = append(directives[o.Name], o.Value)
	}
	return directives
}

// one is the value of a directive that must be there once.
func one(t testing.TB, directives map[string][]string, name string) string {
	t.Helper()
	if len(directives[name]) != 1 {
		t.Fatalf("%s is there %d times", name, len(directives[name]))
	}
	return directives[name][0]
}

func TestTheSystemdUnitFitsTheConfigurationBesideIt(t *testing.T) {
	t.Parallel()
	d := systemdUnit(t)
	env := environmentFile(t)
	env["CREDENTIALS_DIRECTORY"] = "/run/credentials/cdr2otel.service"
	var secrets []string
	for _, credential := range d["LoadCredential"] {
		id, file, _ := strings.Cut(credential, ":")
		if filepath.Dir(file) != "/etc/cdr2otel" {
			t.Errorf("LoadCredential=%s", credential)
		}
		secrets = append(secrets, "${env:CREDENTIALS_DIRECTORY}/"+id)
	}
	command := strings.Fields(one(t, d, "ExecStart"))
	if !slices.Equal(command[1:], []string{"serve", "--config", "/etc/cdr2otel/cdr2otel.yaml"}) {
		t.Errorf("it runs %q", command)
	}
	cfg := validated(t, readExample(t, repoPath("examples", "systemd", "cdr2otel.yaml")), env, secrets)
	for _, endpoint := range []string{cfg.Webhook.Endpoint, cfg.Health.Endpoint, cfg.Admin.Endpoint} {
		if !isLoopback(endpoint) {
			t.Errorf("%s is open without https in front", endpoint)
		}
	}
	if want := "/var/lib/" + one(t, d, "StateDirectory"); filepath.Dir(cfg.storeFile()) != want {
		t.Errorf("the store %s is not in %s", cfg.storeFile(), want)
	}
	stop, err := time.ParseDuration(one(t, d, "TimeoutStopSec"))
	if err != nil || stop < cfg.ShutdownDelay+cfg.ShutdownTimeout+closingTime {
		t.Errorf("it is killed after %v (%v)", stop, err)
	}
	limit, goLimit := one(t, d, "MemoryMax"), strings.TrimPrefix(one(t, d, "Environment"), "GOMEMLIMIT=")
	fitsMemory(t, "MemoryMax", memorySize(t, strings.Replace(limit, "M", "MiB", 1)), goLimit)
	if reload := one(t, d, "ExecReload"); reload != "/bin/kill -HUP $MAINPID" {
		t.Errorf("a reload runs %s", reload)
	}
	if one(t, d, "Restart") != "always" || one(t, d, "StartLimitIntervalSec") != "0" {
		t.Error("systemd gives up")
	}
}

// The Caddyfile's default for what is behind it is what the unit's configuration
// listens on.
func TestTheCaddyfileLeadsToTheSystemdExample(t *testing.T) {
	t.Parallel()
	cfg := readExample(t, repoPath("examples", "systemd", "cdr2otel.yaml"))
	if !strings.Contains(cfg, "endpoint: 127.0.0.1:8080\n") || !strings.Contains(readExample(t, repoPath("examples", "Caddyfile")), "{$WEBHOOK_UPSTREAM:localhost:8080}") {
		t.Error("they have different ports")
	}
}

// environmentFile reads the example of an EnvironmentFile.
func environmentFile(t testing.TB) map[string]string {
	t.Helper()
	env := map[string]string{}
	for line := range strings.Lines(readExample(t, repoPath("examples", "systemd", "cdr2otel.env"))) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		if !found || !strings.HasPrefix(name, "OTEL_") {
			t.Errorf("the environment file has the line %q", line)
		}
		env[name] = value
	}
	return env
}

func TestSystemdFindsNothingWrongWithTheUnit(t *testing.T) {
	t.Parallel()
	systemd := testenv.Program(t, "systemd-analyze", "Debian: apt-get install systemd")
	binary, err := buildExporter()
	if err != nil {
		t.Fatal(err)
	}
	// verify wants the program to be there.
	file := filepath.Join(scratch(t), "cdr2otel.service")
	text := strings.ReplaceAll(readExample(t, repoPath("examples", "systemd", "cdr2otel.service")), "/usr/local/bin/cdr2otel", binary)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), systemd, "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), systemd, "security", "--offline=true", "--no-pager", "--threshold="+exposure, file).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	confirmed(t, "systemd-analyze: %s", lines[len(lines)-1])
}
