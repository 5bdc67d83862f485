package backends

import (
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// loadCompose reads examples/compose.yaml as Docker Compose does: against its
// schema, interpolated, merged, with all profiles.
func loadCompose(t testing.TB) *types.Project {
	t.Helper()
	return loadComposeWith(t, cli.WithProfiles([]string{"*"}), cli.WithEnv([]string{"WEBHOOK_HOST=cdr2otel.example.com"}))
}

// loadReplicas reads it with examples/compose/replicas.env, which names the profile.
func loadReplicas(t testing.TB) *types.Project {
	t.Helper()
	return loadComposeWith(t, cli.WithEnvFiles(repoPath("examples", "compose", "replicas.env")), cli.WithDotEnv, cli.WithDefaultProfiles())
}

func loadComposeWith(t testing.TB, with ...cli.ProjectOptionsFn) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{repoPath("examples", "compose.yaml")}, with...)
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func composeEnvironment(s types.ServiceConfig) map[string]string {
	env := map[string]string{}
	for name, value := range s.Environment {
		if value != nil {
			env[name] = *value
		}
	}
	return env
}

func TestTheComposeExampleRunsCdr2otelAsItsConfigurationSays(t *testing.T) {
	t.Parallel()
	project := loadCompose(t)
	for _, name := range []string{"cdr2otel", "replica-1", "replica-2"} {
		s := project.Services[name]
		cfg := servesAsConfigured(t, project, s)
		if name != "cdr2otel" {
			if !strings.HasPrefix(cfg.Store.URL, "postgres://") || strings.Contains(cfg.Store.URL, ":@") {
				t.Errorf("%s: the store is %s", name, cfg.Store.URL)
			}
			continue
		}
		if !slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
			return v.Type == types.VolumeTypeVolume && v.Target == path.Dir(cfg.storeFile())
		}) {
			t.Errorf("the store %s is on no volume", cfg.storeFile())
		}
	}
	s, demo := project.Services["cdr2otel"], project.Services["demo"]
	if demo.Image != s.Image || demo.Command[0] != "demo" || demo.Environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == nil {
		t.Errorf("the demo runs %s %q", demo.Image, demo.Command)
	}
}

// servesAsConfigured checks a service that runs cdr2otel against the configuration
// that it mounts.
func servesAsConfigured(t *testing.T, project *types.Project, s types.ServiceConfig) effectiveConfig {
	t.Helper()
	secrets := []string{"/run/secrets/live", "/run/secrets/draft"}
	if s.Name != "cdr2otel" {
		secrets = append(secrets, "/run/secrets/pgpass")
	}
	if !slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
		return v.Source == "secrets" && v.Target == "/run/secrets" && v.ReadOnly
	}) || s.DependsOn["prepare"].Condition != types.ServiceConditionCompletedSuccessfully {
		t.Errorf("%s does not wait for its secrets", s.Name)
	}
	mounted := mountedAt(t, s, s.Command[len(s.Command)-1])
	cfg := validated(t, readExample(t, mounted), composeEnvironment(s), secrets)
	if !slices.Equal(s.Command[:2], []string{"serve", "--config"}) {
		t.Errorf("it runs %q", s.Command)
	}
	var published []int
	for _, p := range s.Ports {
		published = append(published, int(p.Target))
	}
	ports := listenerPorts(t, cfg)
	if s.Name != "cdr2otel" {
		delete(ports, "webhook") // HAProxy's
	}
	if want := slices.Sorted(maps.Values(ports)); !slices.Equal(slices.Sorted(slices.Values(published)), want) {
		t.Errorf("%s: ports %v are published, %v are listened on", s.Name, published, want)
	}
	if s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) < cfg.ShutdownDelay+cfg.ShutdownTimeout+closingTime {
		t.Errorf("it is killed after %v", s.StopGracePeriod)
	}
	fitsMemory(t, s.Name, int64(s.MemLimit), composeEnvironment(s)["GOMEMLIMIT"])
	return cfg
}

func TestTheComposeExampleRunsOneProcessUnlessReplicasAreAskedFor(t *testing.T) {
	t.Parallel()
	running := func(project *types.Project) (names []string) {
		for name, s := range project.Services {
			if s.GetScale() > 0 {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names
	}
	always := []string{"cdr2otel", "collector", "grafana", "jaeger", "prepare", "prometheus", "tempo"}
	if diff := cmp.Diff(always, running(loadComposeWith(t))); diff != "" {
		t.Errorf("without a profile (-want +got):\n%s", diff)
	}
	replicas := slices.Sorted(slices.Values(append(always[1:], "haproxy", "postgres", "replica-1", "replica-2")))
	if diff := cmp.Diff(replicas, running(loadReplicas(t))); diff != "" {
		t.Errorf("with replicas.env (-want +got):\n%s", diff)
	}
	proxy := readExample(t, mountedAt(t, loadReplicas(t).Services["haproxy"], "/usr/local/etc/haproxy/haproxy.cfg"))
	for _, want := range []string{"server replica-1 replica-1:8080\n", "server replica-2 replica-2:8080\n", " port 13134 ", "httpchk GET /readyz\n"} {
		if strings.Count(proxy, want) != 1 {
			t.Errorf("haproxy.cfg has not one %q", want)
		}
	}
}

// Other programs may have the ports of a machine, so each can be another one.
func TestEveryPortOfTheComposeExampleCanBeMoved(t *testing.T) {
	t.Parallel()
	for name, project := range map[string]*types.Project{
		"one process": loadComposeWith(t, cli.WithProfiles([]string{"demo", "https", "loki"})),
		"replicas":    loadReplicas(t),
	} {
		taken := map[string]string{}
		for _, s := range project.Services {
			for _, p := range s.Ports {
				if other := taken[p.Published]; other != "" && s.GetScale() > 0 {
					t.Errorf("%s: %s and %s have the port %s", name, other, s.Name, p.Published)
				}
				if s.GetScale() > 0 {
					taken[p.Published] = s.Name
				}
			}
		}
	}
	text := readExample(t, repoPath("examples", "compose.yaml"))
	fixed := regexp.MustCompile(`(?m)^ +- "?(?:127\.0\.0\.1:)?[0-9]+:[0-9]+`).FindAllString(text, -1)
	if moved := regexp.MustCompile(`(?m)^ +- (?:127\.0\.0\.1:)?\$\{[A-Z0-9_]+:-[0-9]+\}:[0-9]+$`).FindAllString(text, -1); len(fixed) > 0 || len(moved) < 10 {
		t.Errorf("%d ports are variables, these are not: %q", len(moved), fixed)
	}
}

func TestTheComposeExampleConfinesEveryService(t *testing.T) {
	t.Parallel()
	project := loadCompose(t)
	for name, s := range project.Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.Privileged {
			t.Errorf("%s is not confined", name)
		}
		if !pinnedImage.MatchString(s.Image) {
			t.Errorf("%s: the image %s is not pinned", name, s.Image)
		}
		switch name {
		case "prepare": // root, for one script without a network
			if !slices.Equal(s.CapAdd, []string{"CHOWN", "DAC_READ_SEARCH"}) || s.NetworkMode != "none" || s.Restart != "no" {
				t.Errorf("%s may do more than read and change owners", name)
			}
			continue
		case "caddy":
			if !slices.Equal(s.CapAdd, []string{"NET_BIND_SERVICE"}) {
				t.Errorf("%s has %v", name, s.CapAdd)
			}
		default:
			if len(s.CapAdd) > 0 {
				t.Errorf("%s has %v", name, s.CapAdd)
			}
		}
		if !regexp.MustCompile(`^[1-9][0-9]*:[0-9]+$`).MatchString(s.User) {
			t.Errorf("%s runs as %q", name, s.User)
		}
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" && name != "caddy" {
				t.Errorf("%s: port %s is open to everybody", name, p.Published)
			}
		}
		if _, both := s.Networks["front"]; both != slices.Contains([]string{"caddy", "haproxy", "cdr2otel", "replica-1", "replica-2"}, name) {
			t.Errorf("%s is on the wrong network", name)
		}
		if _, database := s.Networks["database"]; database != slices.Contains([]string{"postgres", "replica-1", "replica-2"}, name) {
			t.Errorf("%s: reaches the database: %t", name, database)
		}
	}
	for _, front := range []string{"caddy", "haproxy"} {
		if len(project.Services[front].Networks) != 1 {
			t.Errorf("%s, which the internet reaches, reaches the back ends", front)
		}
	}
	if len(project.Services["postgres"].Networks) != 1 || !project.Networks["database"].Internal || len(project.Services["postgres"].Ports) > 0 {
		t.Error("others than the replicas reach the database")
	}
}

func TestTheComposeExampleMountsWhatExistsAndCanBeRead(t *testing.T) {
	t.Parallel()
	project := loadCompose(t)
	// Folders that the images own, so that Docker gives a new volume to their user.
	owned := map[string]string{"cdr2otel": "calls", "prometheus": "metrics", "grafana": "grafana", "postgres": "database"}
	given := readExample(t, repoPath("examples", "compose", "prepare.sh"))
	for name, s := range project.Services {
		for _, v := range s.Volumes {
			switch v.Type {
			case types.VolumeTypeBind:
				if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly {
					t.Errorf("%s: %s: read-only %t, %v", name, v.Source, v.ReadOnly, err)
				}
			case types.VolumeTypeVolume:
				if name == "prepare" || owned[name] == v.Source || v.Source == "secrets" && v.ReadOnly {
					continue
				}
				if !regexp.MustCompile(`chown ` + s.User + `( "\$volumes/\w+")* "\$volumes/` + v.Source + `"`).MatchString(given) {
					t.Errorf("%s: the volume %s belongs to root, it runs as %s", name, v.Source, s.User)
				}
				if condition := s.DependsOn["prepare"].Condition; condition != types.ServiceConditionCompletedSuccessfully {
					t.Errorf("%s does not wait for its volume", name)
				}
			}
		}
	}
}

// mountedAt is the file of the repository that a service sees at path.
func mountedAt(t testing.TB, s types.ServiceConfig, path string) string {
	t.Helper()
	for _, v := range s.Volumes {
		if rest, below := strings.CutPrefix(path, v.Target); below && v.Type == types.VolumeTypeBind && (rest == "" || rest[0] == '/') {
			return filepath.Join(v.Source, rest)
		}
	}
	t.Fatalf("%s: nothing is mounted at %s", s.Name, path)
	return ""
}

// A variable that no mounted file reads is a typing error, or a leftover.
func TestTheComposeExampleSetsVariablesThatTheShippedFilesRead(t *testing.T) {
	t.Parallel()
	project := loadCompose(t)
	for _, name := range []string{"collector", "jaeger", "tempo", "loki", "caddy"} {
		s := project.Services[name]
		var files strings.Builder
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind {
				files.WriteString(readExample(t, v.Source))
			}
		}
		for variable := range s.Environment {
			if strings.HasPrefix(variable, "GO") || strings.HasPrefix(variable, "XDG_") {
				continue // the program's own
			}
			if !regexp.MustCompile(`\$?\{(env:|\$)?` + variable + `[:}]`).MatchString(files.String()) {
				t.Errorf("%s: no file reads %s", name, variable)
			}
		}
	}
}

// Every address that one container has for another is one that listens there.
func TestTheComposeExampleLeadsFromServiceToService(t *testing.T) {
	t.Parallel()
	project := loadCompose(t)
	listening := map[string][]string{"prometheus": {"9090"}, "grafana": {"3000"}}
	for name, s := range project.Services {
		for variable, value := range composeEnvironment(s) {
			if p, found := strings.CutPrefix(value, "0.0.0.0:"); found && strings.HasSuffix(variable, "_ENDPOINT") {
				listening[name] = append(listening[name], p)
			}
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind && filepath.Ext(v.Source) == ".yaml" {
				for _, m := range regexp.MustCompile(`(?m)(?:listen_port: |endpoint: \S*(?:ADDRESS|0\.0\.0\.0)\S*:)(\d+)`).FindAllStringSubmatch(readExample(t, v.Source), -1) {
					listening[name] = append(listening[name], m[1])
				}
			}
		}
	}
	addresses := readExample(t, repoPath("collector-config", "grafana", "provisioning", "datasources", "cdr2otel.yaml")) +
		readExample(t, repoPath("examples", "compose", "collector.yaml"))
	for _, s := range project.Services {
		addresses += "\n" + strings.Join(slices.Collect(maps.Values(composeEnvironment(s))), "\n")
	}
	found := 0
	for _, m := range regexp.MustCompile(`(?m)(?:http://|^)([a-z0-9]+):(\d+)`).FindAllStringSubmatch(addresses, -1) {
		if m[1] == "0" || m[1] == "localhost" {
			continue
		}
		found++
		if !slices.Contains(listening[m[1]], m[2]) {
			t.Errorf("%s:%s: the service listens on %v", m[1], m[2], listening[m[1]])
		}
	}
	if found < 8 {
		t.Errorf("only %d addresses were found", found)
	}
	provider := readExample(t, repoPath("collector-config", "grafana", "provisioning", "dashboards", "cdr2otel.yaml"))
	folder := mountedAt(t, project.Services["grafana"], regexp.MustCompile(`path: (\S+)`).FindStringSubmatch(provider)[1])
	if boards, err := filepath.Glob(filepath.Join(folder, "*.json")); err != nil || len(boards) == 0 {
		t.Errorf("Grafana finds no dashboard in %s", folder)
	}
}

func TestTheComposeExamplePointsPrometheusAtItsContainers(t *testing.T) {
	t.Parallel()
	scrapes(t, loadCompose(t), "cdr2otel:9464")
	scrapes(t, loadReplicas(t), "replica-1:9464", "replica-2:9464")
}

// scrapes checks that Prometheus has these targets of cdr2otel.
func scrapes(t *testing.T, project *types.Project, targets ...string) {
	t.Helper()
	s := project.Services["prometheus"]
	shipped := mountedAt(t, s, "/etc/cdr2otel/prometheus.yml")
	rules := mountedAt(t, s, "/etc/cdr2otel/rules")
	out := filepath.Join(scratch(t), "prometheus.yml")
	rewrite, run, found := strings.Cut(s.Command[0], "&& exec ")
	if !found {
		t.Fatalf("the command is %s", s.Command[0])
	}
	rewrite = strings.NewReplacer("/etc/cdr2otel/prometheus.yml", shipped, "/etc/cdr2otel/rules/", rules+"/", "/tmp/prometheus.yml", out).Replace(rewrite)
	if printed, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", rewrite).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, printed)
	}
	var cfg struct {
		RuleFiles []string `yaml:"rule_files"`
		Scrape    []struct {
			Job     string `yaml:"job_name"`
			Targets []struct {
				Targets []string `yaml:"targets"`
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(readExample(t, out)), &cfg); err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, scrape := range cfg.Scrape {
		got[scrape.Job] = scrape.Targets[0].Targets
	}
	if diff := cmp.Diff(map[string][]string{"cdr2otel": targets, "otelcol": {"collector:8888"}}, got); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
	if files, err := filepath.Glob(cfg.RuleFiles[0]); err != nil || len(files) == 0 {
		t.Errorf("%s is no rule file", cfg.RuleFiles[0])
	}
	for _, flag := range prometheusFlags() {
		if !strings.Contains(run, flag) {
			t.Errorf("Prometheus runs without %s", flag)
		}
	}
	t.Run("promtool accepts it", func(t *testing.T) {
		if printed, err := exec.CommandContext(t.Context(), toolPath(t, "promtool"), "check", "config", out).CombinedOutput(); err != nil {
			t.Errorf("%v %s", err, printed)
		}
	})
}
