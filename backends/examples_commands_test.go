package backends

import (
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// typed runs commands of examples/README.md in dir, all but those that need more than
// a shell: their lines begin with one of the words of without. The umask is a strict one.
func typed(t testing.TB, dir string, lines []string, without ...string) {
	t.Helper()
	script := "set -euo pipefail\numask 077\n"
	for _, line := range lines {
		if first, _, _ := strings.Cut(line, " "); !slices.Contains(without, first) {
			script += line + "\n"
		}
	}
	command := exec.CommandContext(t.Context(), "bash", "-c", script)
	command.Dir, command.Env = dir, cleanEnvironment()
	if out, err := command.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
}

// repositoryCopy is a copy of these folders of the repository.
func repositoryCopy(t testing.TB, folders ...string) string {
	t.Helper()
	root := scratch(t)
	for _, folder := range folders {
		copyTree(t, repoPath(folder), filepath.Join(root, folder))
	}
	return root
}

func TestTheKubernetesCommandsMakeWhatTheExamplesRun(t *testing.T) {
	t.Parallel()
	root := repositoryCopy(t, "examples/kubernetes", "collector-config")
	lines := shellLines(t, "examples/README.md", "Kubernetes")
	for i, line := range lines {
		if strings.HasPrefix(line, "export ") {
			lines[i] = strings.NewReplacer("v0.1.0", "v9.8.7", "registry.example.com/cdr2otel", "registry.test/voice/cdr2otel", "cdr2otel.example.com", "calls.test").Replace(line)
		}
	}
	typed(t, root, lines, "docker", "kubectl")
	for _, name := range kubernetesForms {
		f := buildKubernetes(t, root, nil, "examples", "kubernetes", name)
		pod := f.template(t).Spec
		c, _, err := container(pod, "cdr2otel")
		if err != nil || c.Image != "registry.test/voice/cdr2otel:v9.8.7" {
			t.Errorf("%s: the image is %s (%v)", name, c.Image, err)
		}
		if rule, tls := f.ingresses[0].Spec.Rules[0], f.ingresses[0].Spec.TLS[0]; rule.Host != "calls.test" || !slices.Equal(tls.Hosts, []string{"calls.test"}) {
			t.Errorf("%s: the host is %s, its certificate is for %v", name, rule.Host, tls.Hosts)
		}
		// Each Secret that the pod mounts is made by a command, with the keys that it mounts.
		for _, v := range pod.Volumes {
			if v.Secret == nil {
				continue
			}
			var want []string
			for _, item := range v.Secret.Items {
				want = append(want, item.Key)
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, secretKeys(t, root, lines, v.Secret.SecretName)); diff != "" {
				t.Errorf("%s: the keys of the Secret %s (-mounted +made):\n%s", name, v.Secret.SecretName, diff)
			}
		}
		if apply := "kubectl apply -k examples/kubernetes/" + name; name != "sidecar" && !slices.Contains(lines, apply) {
			t.Errorf("no command applies %s", name)
		}
	}
}

// secretKeys are the keys of the Secret that "kubectl create secret" makes of files.
func secretKeys(t testing.TB, root string, lines []string, name string) (keys []string) {
	t.Helper()
	for _, line := range lines {
		files, found := strings.CutPrefix(line, "kubectl -n cdr2otel create secret generic "+name+" ")
		if !found {
			continue
		}
		for argument := range strings.FieldsSeq(files) {
			file := strings.TrimPrefix(argument, "--from-file=")
			if entries, err := os.ReadDir(filepath.Join(root, file)); err == nil {
				for _, entry := range entries {
					keys = append(keys, entry.Name())
				}
				continue
			}
			keys = append(keys, path.Base(file))
		}
	}
	slices.Sort(keys)
	return keys
}

func TestTheComposeCommandsMakeTheSecretsThatItsServicesRead(t *testing.T) {
	t.Parallel()
	root := repositoryCopy(t, "examples/compose")
	typed(t, root, append(shellLines(t, "examples/README.md", "Compose"), shellLines(t, "examples/README.md", "Replicas in Compose")...), "docker")
	for _, name := range []string{"live", "draft", "postgres"} {
		if info, err := os.Stat(filepath.Join(root, "examples", "compose", "secrets", name)); err != nil || info.Mode() != 0o600 || info.Size() != 65 {
			t.Errorf("the secret %s: %v (%v)", name, info, err)
		}
	}
}

func TestTheSystemdCommandsInstallWhatServes(t *testing.T) {
	t.Parallel()
	root := repositoryCopy(t, "examples/systemd")
	lines := shellLines(t, "examples/README.md", "systemd")
	here := strings.NewReplacer("sudo ", "", " /etc/", " "+root+"/etc/", " /usr/local/", " "+root+"/usr/local/")
	for i := range lines {
		lines[i] = here.Replace(lines[i])
	}
	second := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, "draft") })
	for _, dir := range []string{"bin", "etc/systemd/system", "usr/local/bin"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "bin", "cdr2otel"), nil, 0o755); err != nil { // make build
		t.Fatal(err)
	}
	without := []string{"make", "systemctl", "curl"}
	typed(t, root, lines[:second], without...)
	installed(t, root, "live")
	typed(t, root, lines[second:], without...)
	installed(t, root, "live", "draft")
}

// installed checks that what is below root serves these sources, and that each has its
// secret, which only root reads.
func installed(t *testing.T, root string, sources ...string) {
	t.Helper()
	etc := filepath.Join(root, "etc", "cdr2otel")
	var secrets, credentials []string
	for _, name := range sources {
		secrets = append(secrets, "${env:CREDENTIALS_DIRECTORY}/"+name)
		credentials = append(credentials, "LoadCredential="+name+":/etc/cdr2otel/"+name+".secret")
		info, err := os.Stat(filepath.Join(etc, name+".secret"))
		if err != nil || info.Mode() != 0o600 || info.Size() != 65 {
			t.Errorf("%s.secret: %v (%v)", name, info, err)
		}
	}
	env := map[string]string{"CREDENTIALS_DIRECTORY": "/run/credentials/cdr2otel.service"}
	cfg := validated(t, readExample(t, filepath.Join(etc, "cdr2otel.yaml")), env, secrets)
	if got := slices.Sorted(maps.Keys(cfg.Sources)); !slices.Equal(got, slices.Sorted(slices.Values(sources))) {
		t.Errorf("it serves %v, want %v", got, sources)
	}
	unit := readExample(t, filepath.Join(root, "etc", "systemd", "system", "cdr2otel.service"))
	var loaded []string
	for line := range strings.Lines(unit) {
		if strings.HasPrefix(line, "LoadCredential=") {
			loaded = append(loaded, strings.TrimSpace(line))
		}
	}
	if diff := cmp.Diff(credentials, loaded); diff != "" {
		t.Errorf("credentials (-want +got):\n%s", diff)
	}
	for _, name := range []string{"etc/cdr2otel/cdr2otel.yaml", "etc/cdr2otel/cdr2otel.env", "usr/local/bin/cdr2otel"} {
		if info, err := os.Stat(filepath.Join(root, name)); err != nil || info.Mode()&0o044 != 0o044 {
			t.Errorf("the service's user can't read %s: %v (%v)", name, info, err)
		}
	}
	if info, err := os.Stat(etc); err != nil || info.Mode()&0o005 != 0o005 {
		t.Errorf("the service's user does not get into /etc/cdr2otel (%v)", err)
	}
}
