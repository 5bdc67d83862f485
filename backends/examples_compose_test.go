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
	options, err := cli.NewProjectOptions([]string{repoPath("examples", "compose.yaml")},
		cli.WithProfiles([]string{"*"}), cli.WithEnv([]string{"WEBHOOK_HOST=cdr2otel.example.com"}))
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
	s := project.Services["cdr2otel"]
	var secrets []string
	for _, secret := range s.Secrets {
		secrets = append(secrets, "/run/secrets/"+secret.Source)
		if file := project.Secrets[secret.Source].File; filepath.Dir(file) != repoPath("examples", "compose", "secrets") {
			t.Errorf("the secret %s is in %s, which git does not ignore", secret.Source, file)
		}
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
	if want := slices.Sorted(maps.Values(listenerPorts(t, cfg))); !slices.Equal(slices.Sorted(slices.Values(published)), want) {
		t.Errorf("ports %v are published, %v are listened on", published, want)
	}
	if s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) < cfg.ShutdownDelay+cfg.ShutdownTimeout+closingTime {
		t.Errorf("it is killed after %v", s.StopGracePeriod)
	}
	fitsMemory(t, "cdr2otel", int64(s.MemLimit), composeEnvironment(s)["GOMEMLIMIT"])
	if !slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
		return v.Type == types.VolumeTypeVolume && v.Target == path.Dir(cfg.storeFile())
	}) {
		t.Errorf("the store %s is on no volume", cfg.storeFile())
	}
	demo := project.Services["demo"]
	if demo.Image != s.Image || demo.Command[0] != "demo" || demo.Environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == nil {
		t.Errorf("the demo runs %s %q", demo.Image, demo.Command)
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
		case "volumes": // root, for one command without a network
			if !slices.Equal(s.CapAdd, []string{"CHOWN"}) || s.NetworkMode != "none" || s.Restart != "no" {
				t.Errorf("%s may do more than change owners", name)
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
		if _, both := s.Networks["front"]; both != (name == "caddy" || name == "cdr2otel") {
			t.Errorf("%s is on the wrong network", name)
		}
	}
	if _, back := project.Services["caddy"].Networks["default"]; back {
		t.Error("what the internet reaches reaches the back ends")
	}
}

func TestTheComposeExampleMountsWhatExistsAndCanBeRead(t *testing.T) {
	t.Parallel()
	project := loadCompose(t)
	// Folders that the images own, so that Docker gives a new volume to their user.
	owned := map[string]string{"cdr2otel": "calls", "prometheus": "metrics", "grafana": "grafana"}
	given := strings.Join(project.Services["volumes"].Command, " ")
	for name, s := range project.Services {
		for _, v := range s.Volumes {
			switch v.Type {
			case types.VolumeTypeBind:
				if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly {
					t.Errorf("%s: %s: read-only %t, %v", name, v.Source, v.ReadOnly, err)
				}
			case types.VolumeTypeVolume:
				if name == "volumes" || owned[name] == v.Source {
					continue
				}
				if !regexp.MustCompile(`chown ` + s.User + `( /volumes/\w+)* /volumes/` + v.Source + `\b`).MatchString(given) {
					t.Errorf("%s: the volume %s belongs to root, it runs as %s", name, v.Source, s.User)
				}
				if condition := s.DependsOn["volumes"].Condition; condition != types.ServiceConditionCompletedSuccessfully {
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
	s := loadCompose(t).Services["prometheus"]
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
	got := map[string]string{}
	for _, scrape := range cfg.Scrape {
		got[scrape.Job] = scrape.Targets[0].Targets[0]
	}
	if diff := cmp.Diff(map[string]string{"cdr2otel": "cdr2otel:9464", "otelcol": "collector:8888"}, got); diff != "" {
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
	if printed, err := exec.CommandContext(t.Context(), toolPath(t, "promtool"), "check", "config", out).CombinedOutput(); err != nil {
		t.Errorf("%v %s", err, printed)
	}
}

func TestTheComposeExampleSendsEveryCallToTempoAsToJaeger(t *testing.T) {
	t.Parallel()
	type collectorFile struct {
		Exporters map[string]map[string]any `yaml:"exporters"`
		Service   struct {
			Pipelines map[string]struct {
				Exporters []string `yaml:"exporters"`
			} `yaml:"pipelines"`
		} `yaml:"service"`
	}
	var shipped, added collectorFile
	for file, into := range map[string]*collectorFile{"collector-config/sidecar.yaml": &shipped, "examples/compose/collector.yaml": &added} {
		if err := yaml.Unmarshal([]byte(readExample(t, repoPath(file))), into); err != nil {
			t.Fatal(err)
		}
	}
	toJaeger := shipped.Service.Pipelines["traces"].Exporters[0]
	kind, _, _ := strings.Cut(toJaeger, "/")
	toTempo := kind + "/tempo"
	if got := added.Service.Pipelines["traces"].Exporters; !slices.Equal(got, []string{toJaeger, toTempo}) {
		t.Errorf("calls go to %v", got)
	}
	delete(added.Exporters[toTempo], "endpoint")
	delete(shipped.Exporters[toJaeger], "endpoint")
	if diff := cmp.Diff(shipped.Exporters[toJaeger], added.Exporters[toTempo]); diff != "" {
		t.Errorf("Tempo's queue is not Jaeger's (-jaeger +tempo):\n%s", diff)
	}
	s := loadCompose(t).Services["collector"]
	args := []string{"validate"}
	for i, arg := range s.Command {
		if arg == "--config" {
			args = append(args, arg, mountedAt(t, s, s.Command[i+1]))
		}
	}
	check := exec.CommandContext(t.Context(), toolPath(t, "otelcol"), args...)
	check.Dir, check.Env = scratch(t), cleanEnvironment()
	for name, value := range composeEnvironment(s) {
		check.Env = append(check.Env, name+"="+value)
	}
	if printed, err := check.CombinedOutput(); err != nil {
		t.Errorf("otelcol validate: %v\n%s", err, printed)
	}
}

func TestTheCaddyfileRoutesWebhooksOnlyAndTakesWholeBodies(t *testing.T) {
	t.Parallel()
	file := repoPath("examples", "Caddyfile")
	text := readExample(t, file)
	cfg := validated(t, readExample(t, repoPath("examples", "compose", "cdr2otel.yaml")), nil, []string{"/run/secrets/live", "/run/secrets/draft"})
	for what, want := range map[string]string{
		"the path":             "@webhooks path " + cfg.Webhook.Path + " " + cfg.Webhook.Path + "/*\n",
		"the size of bodies":   "max_size " + cfg.Webhook.MaxRequestBodySize + " ",
		"waiting for a start":  "lb_try_duration 30s\n",
		"anything else is 404": "handle {\n\t\trespond 404\n\t}\n",
	} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%s: the Caddyfile lacks %q", what, want)
		}
	}
	if n := strings.Count(text, "reverse_proxy"); n != 1 {
		t.Errorf("%d ways lead to cdr2otel", n)
	}
	caddy := toolPath(t, "caddy")
	check := exec.CommandContext(t.Context(), caddy, "adapt", "--config", file, "--adapter", "caddyfile", "--validate")
	check.Env = append(cleanEnvironment(), "WEBHOOK_HOST=http://cdr2otel.example.com", "HOME="+scratch(t))
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
