package backends

import (
	"bytes"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"cdr2otel/internal/otlptest"
)

// effectiveConfig is what the checks need of the configuration that "cdr2otel
// validate" prints.
type effectiveConfig struct {
	Webhook struct {
		Endpoint           string   `yaml:"endpoint"`
		Path               string   `yaml:"path"`
		MaxRequestBodySize string   `yaml:"max_request_body_size"`
		TrustedProxies     []string `yaml:"trusted_proxies"`
	} `yaml:"webhook"`
	Sources map[string]any `yaml:"sources"`
	Store   struct {
		URL     string `yaml:"url"`
		MaxSize string `yaml:"max_size"`
	} `yaml:"store"`
	Health struct {
		Endpoint string `yaml:"endpoint"`
	} `yaml:"health"`
	Admin struct {
		Endpoint string `yaml:"endpoint"`
	} `yaml:"admin"`
	ShutdownDelay   time.Duration `yaml:"shutdown_delay"`
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout"`
}

// storeFile is the path of the SQLite file.
func (c effectiveConfig) storeFile() string { return strings.TrimPrefix(c.Store.URL, "sqlite:") }

// validated runs "cdr2otel validate" on a configuration as an example deploys it,
// with its environment and with a secret in each file that the example puts into
// place, and returns the configuration as it takes effect. Any other file that it
// names is missing, which is a problem, as it would be there.
func validated(t testing.TB, text string, env map[string]string, secretFiles []string) effectiveConfig {
	t.Helper()
	dir, env := scratch(t), maps.Clone(env)
	for i, path := range secretFiles {
		here := filepath.Join(dir, "secret-"+strconv.Itoa(i))
		content := []byte("purple unicorn\n")
		if filepath.Ext(path) == ".crt" {
			content = authority(t)
		}
		if err := os.WriteFile(here, content, 0o600); err != nil {
			t.Fatal(err)
		}
		used := strings.Contains(text, path)
		text = strings.ReplaceAll(text, path, here)
		for name, value := range env {
			used = used || strings.Contains(value, path)
			env[name] = strings.ReplaceAll(value, path, here)
		}
		if !used {
			t.Errorf("the configuration does not use %s, which the example puts into place", path)
		}
	}
	file := filepath.Join(dir, "cdr2otel.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	binary, err := buildExporter()
	if err != nil {
		t.Fatal(err)
	}
	validate := exec.CommandContext(t.Context(), binary, "validate", "--config", file)
	validate.Env = cleanEnvironment()
	for name, value := range env {
		validate.Env = append(validate.Env, name+"="+value)
	}
	var problems bytes.Buffer
	validate.Stderr = &problems
	printed, err := validate.Output()
	if err != nil || problems.Len() > 0 {
		t.Fatalf("cdr2otel validate: %v\n%s", err, problems.String())
	}
	var cfg effectiveConfig
	if err := yaml.Unmarshal(printed, &cfg); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// authority is the certificate of a CA.
func authority(t testing.TB) []byte {
	t.Helper()
	a, err := otlptest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return a.PEM()
}

// portOf is the number in host:port, or in a URL.
func portOf(t testing.TB, endpoint string) int {
	t.Helper()
	if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
		endpoint = u.Host
	}
	_, text, err := net.SplitHostPort(endpoint)
	if err != nil {
		t.Fatalf("%q: %v", endpoint, err)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%q: %v", endpoint, err)
	}
	return n
}

// pinnedImage is an image with a version of its own: not latest, not a bare major.
var pinnedImage = regexp.MustCompile(`^[a-z0-9./-]+:v?[0-9]+\.[0-9]+(\.[0-9]+)?[a-z0-9.-]*$`)

func TestAnImageIsPinnedByAFullVersion(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]bool{
		"prom/prometheus:v3.15.0":       true,
		"golang:1.26.8-bookworm":        true,
		"registry.example.com/x:v0.1.0": true,
		"prom/prometheus":               false,
		"grafana/tempo:latest":          false,
		"caddy:2":                       false,
	} {
		if pinnedImage.MatchString(image) != want {
			t.Errorf("%s: pinnedImage is %t", image, !want)
		}
	}
}

// memory of the sidecar, from docs/performance.md and the receiver's bound on the
// bodies it holds: what a limit must leave room for.
const (
	memoryWithBacklog = 100_000_000
	memoryOfBodies    = 64 << 20
)

// fitsMemory tells what is wrong with a memory limit and the GOMEMLIMIT beside it.
func fitsMemory(t testing.TB, what string, limit int64, goLimit string) {
	t.Helper()
	soft := memorySize(t, goLimit)
	if limit < memoryWithBacklog+memoryOfBodies {
		t.Errorf("%s: a limit of %d bytes is less than a backlog and the bodies on their way in need", what, limit)
	}
	if soft >= limit || soft < limit*7/10 {
		t.Errorf("%s: GOMEMLIMIT=%s is not somewhat below the limit of %d bytes", what, goLimit, limit)
	}
}

// memorySize reads a number of bytes with one of the suffixes of the formats here.
func memorySize(t testing.TB, text string) int64 {
	t.Helper()
	m := regexp.MustCompile(`^([0-9]+)(Mi?B?|m|Gi?B?|g)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("%q is not a size of memory", text)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if strings.EqualFold(m[2][:1], "g") {
		return n << 30
	}
	return n << 20
}

// listenerPorts are the listeners of a configuration by the names the examples use.
func listenerPorts(t testing.TB, cfg effectiveConfig) map[string]int {
	t.Helper()
	return map[string]int{
		"webhook": portOf(t, cfg.Webhook.Endpoint),
		"health":  portOf(t, cfg.Health.Endpoint),
		"admin":   portOf(t, cfg.Admin.Endpoint),
	}
}

func isLoopback(endpoint string) bool {
	host, _, err := net.SplitHostPort(endpoint)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

func readExample(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
