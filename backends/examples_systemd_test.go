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

// beside is the function of docs/deployment.md that runs a command beside the unit.
func beside(t testing.TB) string {
	t.Helper()
	doc := readExample(t, repoPath("docs", "deployment.md"))
	_, rest, found := strings.Cut(doc, "\nbeside() {\n")
	body, _, closed := strings.Cut(rest, "\n}\n")
	if !found || !closed {
		t.Fatal("docs/deployment.md has no function beside")
	}
	return "beside() {\n" + body + "\n}\n"
}

// asked are the words that a command beside the unit hands to systemd-run: the shell has
// functions of that name and of systemctl's, which shows the unit.
func asked(t testing.TB, arguments ...string) []string {
	t.Helper()
	script := `systemctl() { test "$*" = "cat cdr2otel.service" && command cat "$UNIT"; }
systemd-run() { printf '%s\n' "$@"; }
` + beside(t) + `beside "$@"`
	cmd := exec.CommandContext(t.Context(), "bash", append([]string{"-eu", "-c", script, "bash"}, arguments...)...)
	cmd.Env = append(os.Environ(), "UNIT="+repoPath("examples", "systemd", "cdr2otel.service"))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

func TestACommandBesideTheSystemdUnitHasItsUserFolderAndSecrets(t *testing.T) {
	t.Parallel()
	d := systemdUnit(t)
	words := asked(t, "forget", "--caller", "+1 555 867 5309")
	properties := map[string][]string{}
	var rest []string
	for _, word := range words {
		if property, found := strings.CutPrefix(word, "--property="); found {
			name, value, _ := strings.Cut(property, "=")
			properties[name] = append(properties[name], value)
			continue
		}
		rest = append(rest, word)
	}
	want := []string{
		"--quiet", "--pipe", "--wait", "--collect", "--description=cdr2otel forget", // not the number
		"/usr/local/bin/cdr2otel", "forget", "--caller", "+1 555 867 5309", "--config", "/etc/cdr2otel/cdr2otel.yaml",
	}
	if !slices.Equal(rest, want) {
		t.Errorf("systemd-run gets %q, want %q", rest, want)
	}
	// Of the unit, which does not name the user: systemd takes its own name.
	for name := range d {
		switch name {
		case "LoadCredential", "LoadCredentialEncrypted", "EnvironmentFile", "DynamicUser", "StateDirectory", "StateDirectoryMode", "UMask":
			if !slices.Equal(properties[name], d[name]) {
				t.Errorf("%s is %q, in the unit %q", name, properties[name], d[name])
			}
		}
	}
	for name, want := range map[string]string{
		"User":             "cdr2otel",
		"DynamicUser":      "yes",
		"WorkingDirectory": strings.Replace(one(t, d, "WorkingDirectory"), "%S", "/var/lib", 1),
	} {
		if !slices.Equal(properties[name], []string{want}) {
			t.Errorf("%s is %q, want %s", name, properties[name], want)
		}
	}
	if len(d["User"]) > 0 || len(properties["LoadCredential"])+len(properties["LoadCredentialEncrypted"]) == 0 {
		t.Errorf("the unit has the user %q and the credentials %q", d["User"], properties["LoadCredential"])
	}
}

func TestSystemdTakesTheCommandBesideTheUnit(t *testing.T) {
	t.Parallel()
	systemd := systemdAnalyze(t)
	binary, err := buildExporter()
	if err != nil {
		t.Fatal(err)
	}
	// What systemd-run would ask for, as a unit.
	text := "[Service]\nType=oneshot\n"
	for _, word := range asked(t, "doctor") {
		if property, found := strings.CutPrefix(word, "--property="); found {
			text += property + "\n"
		}
	}
	if !strings.Contains(text, "\nLoadCredential") {
		t.Errorf("no credential in\n%s", text)
	}
	text += "ExecStart=" + binary + " doctor --config /etc/cdr2otel/cdr2otel.yaml\n"
	file := filepath.Join(scratch(t), "beside.service")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), systemd, "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s\nof\n%s", err, out, text)
	}
}

// systemdAnalyze is the program; without it the test is skipped.
func systemdAnalyze(t testing.TB) string {
	t.Helper()
	return testenv.Program(t, "systemd-analyze", "Debian: apt-get install systemd")
}

func TestSystemdFindsNothingWrongWithTheUnit(t *testing.T) {
	t.Parallel()
	systemd := systemdAnalyze(t)
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
