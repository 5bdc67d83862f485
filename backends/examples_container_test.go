package backends

import (
	"context"
	"errors"
	"fmt"
	"go/version"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"cdr2otel/internal/testenv"
)

// containerStages parses the Containerfile as BuildKit does.
func containerStages(t testing.TB) (build, final instructions.Stage) {
	t.Helper()
	file, err := os.Open(repoPath("Containerfile"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() // only read
	parsed, err := parser.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed.Warnings) > 0 {
		t.Errorf("warnings: %v", parsed.Warnings)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(stages) != 2 || stages[0].Name != "build" {
		t.Fatalf("%d stages", len(stages))
	}
	return stages[0], stages[1]
}

// instruction returns the instructions of one kind.
func instruction[T any](s instructions.Stage) []T {
	var all []T
	for _, c := range s.Commands {
		if i, ok := c.(T); ok {
			all = append(all, i)
		}
	}
	return all
}

func TestTheContainerfileMakesAnImageOfNothingButTheProgram(t *testing.T) {
	t.Parallel()
	build, final := containerStages(t)
	// The tag tells a reader which Go it is, the digest decides.
	base := regexp.MustCompile(`^golang:([0-9.]+)-bookworm@sha256:[0-9a-f]{64}$`).FindStringSubmatch(build.BaseName)
	if base == nil || final.BaseName != "scratch" {
		t.Fatalf("from %s, to %s", build.BaseName, final.BaseName)
	}
	if version.Compare("go"+goVersion(t), "go"+base[1]) > 0 {
		t.Errorf("%s is older than go.mod asks for", build.BaseName)
	}
	health := instruction[*instructions.HealthCheckCommand](final)
	if len(health) != 1 || !slices.Equal(health[0].Health.Test, []string{"CMD", "/usr/local/bin/cdr2otel", "health"}) {
		t.Errorf("HEALTHCHECK is %v; there is no shell", health)
	}
	for name, s := range loadCompose(t).Services {
		if s.Build != nil && (s.HealthCheck == nil || !slices.Equal([]string(s.HealthCheck.Test), health[0].Health.Test)) {
			t.Errorf("compose.yaml: %s is asked %v", name, s.HealthCheck)
		}
	}
	user := instruction[*instructions.UserCommand](final)
	if len(user) != 1 || user[0].User != "65532:65532" {
		t.Errorf("USER is %v", user)
	}
	entry := instruction[*instructions.EntrypointCommand](final)
	if len(entry) != 1 || entry[0].PrependShell || !slices.Equal(entry[0].CmdLine, []string{"/usr/local/bin/cdr2otel"}) {
		t.Errorf("ENTRYPOINT is %v; there is no shell", entry)
	}
	if command := instruction[*instructions.CmdCommand](final); len(command) != 1 || command[0].PrependShell || command[0].CmdLine[0] != "serve" {
		t.Errorf("CMD is %v", command)
	}
	// Without a configuration the store is in the working directory.
	volumes, dir := instruction[*instructions.VolumeCommand](final), instruction[*instructions.WorkdirCommand](final)
	if len(volumes) != 1 || len(dir) != 1 || !slices.Equal(volumes[0].Volumes, []string{dir[0].Path}) {
		t.Errorf("VOLUME %v, WORKDIR %v", volumes, dir)
	}
	var exposed []string
	for _, e := range instruction[*instructions.ExposeCommand](final) {
		exposed = append(exposed, e.Ports...)
	}
	cfg := validated(t, "{}", map[string]string{"CDR2OTEL_WEBHOOK_SECRET": "purple unicorn"}, nil)
	for name, port := range listenerPorts(t, cfg) {
		if !slices.Contains(exposed, strconv.Itoa(port)) {
			t.Errorf("EXPOSE %v lacks the default port of %s", exposed, name)
		}
	}
}

func goVersion(t testing.TB) string {
	t.Helper()
	for line := range strings.Lines(readExample(t, repoPath("go.mod"))) {
		if version, found := strings.CutPrefix(strings.TrimSpace(line), "go "); found {
			return version
		}
	}
	t.Fatal("go.mod has no go line")
	return ""
}

// The image is built here by hand, from the files and with the commands of the
// Containerfile, and run like a container: as its user, in a root of its own where
// only the volume and /tmp can be written.
func TestTheContainerfileBuildsAnImageThatServes(t *testing.T) {
	t.Parallel()
	build, final := containerStages(t)
	source, root := scratch(t), scratch(t)
	buildStage(t, build, source)
	finalStage(t, final, source, root)

	binary := filepath.Join(root, "usr", "local", "bin", "cdr2otel")
	if out, err := exec.CommandContext(t.Context(), binary, "version").CombinedOutput(); err != nil || !strings.Contains(string(out), "v9.8.7") {
		t.Errorf("version: %v %s", err, out)
	}
	t.Run("serves", func(t *testing.T) {
		if os.Geteuid() != 0 {
			testenv.Missing(t, "only root can give the program a root of its own (run the tests as root)")
		}
		serveInRoot(t, root, instruction[*instructions.HealthCheckCommand](final)[0].Health.Test[1:])
	})
}

// buildStage copies what COPY names from the repository and runs what RUN says,
// with /out below dir.
func buildStage(t *testing.T, s instructions.Stage, dir string) {
	t.Helper()
	ignore := strings.Fields(readExample(t, repoPath(".dockerignore")))
	for _, c := range s.Commands {
		switch c := c.(type) {
		case *instructions.CopyCommand:
			for _, path := range c.SourcePaths {
				if !slices.Contains(ignore, "!"+path) {
					t.Errorf(".dockerignore leaves %s out", path)
				}
				copyTree(t, repoPath(path), filepath.Join(dir, "src", path))
			}
		case *instructions.RunCommand:
			if c.CmdLine[0] == "go mod download" {
				continue // they are here, and go build asks for what is not
			}
			command := exec.CommandContext(t.Context(), "/bin/sh", "-c", strings.NewReplacer("/out", dir+"/out", "/owned", dir+"/owned").Replace(c.CmdLine[0]))
			command.Dir = filepath.Join(dir, "src")
			command.Env = append(cleanEnvironment(), "VERSION=v9.8.7", "TARGETOS=linux", "TARGETARCH="+goArch(t), "GOFLAGS=-mod=readonly -buildvcs=false")
			if out, err := command.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", c.CmdLine[0], err, out)
			}
		}
	}
}

func goArch(t testing.TB) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOARCH").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// finalStage copies from the build stage what COPY --from names.
func finalStage(t *testing.T, s instructions.Stage, from, root string) {
	t.Helper()
	for _, c := range instruction[*instructions.CopyCommand](s) {
		path := c.SourcePaths[0]
		if c.From != "build" || len(c.SourcePaths) != 1 {
			t.Fatalf("COPY %v from %q", c.SourcePaths, c.From)
		}
		if strings.HasPrefix(path, "/etc/") {
			continue // of the base image
		}
		to := filepath.Join(root, c.DestPath)
		copyTree(t, filepath.Join(from, path), to)
		if c.Chown == "" || os.Geteuid() != 0 {
			continue
		}
		user, err := strconv.Atoi(strings.Split(c.Chown, ":")[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := filepath.WalkDir(to, func(p string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Chown(p, user, user))
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(root, 0o755); err != nil { // a temporary folder is closed to others
		t.Fatal(err)
	}
}

// copyTree copies a file, or the content of a folder with its modes.
func copyTree(t testing.TB, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		from += "/."
	}
	if out, err := exec.CommandContext(t.Context(), "cp", "-R", "-p", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
}

// serveInRoot runs "serve" as the image's user, in the image's working directory,
// with a configuration that says nothing but free ports, and waits until it can
// acknowledge. The image's health check says so too, and says when it ends.
func serveInRoot(t *testing.T, root string, check []string) {
	t.Helper()
	health := testenv.FreeAddress(t)
	cfg := fmt.Sprintf("webhook: {endpoint: %q}\nhealth: {endpoint: %q}\nadmin: {endpoint: %q}\n", testenv.FreeAddress(t), health, testenv.FreeAddress(t))
	if err := os.WriteFile(filepath.Join(root, "cdr2otel.yaml"), []byte(cfg), 0o644); err != nil {
		t.Fatal(err)
	}
	p := &process{name: "container", done: make(chan struct{}), log: filepath.Join(scratch(t), "log")}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the program has its own descriptor
	p.cmd = exec.Command(check[0], "serve", "--config", "/cdr2otel.yaml")
	p.cmd.Dir = "/var/lib/cdr2otel"
	p.cmd.Env = []string{"CDR2OTEL_WEBHOOK_SECRET=purple unicorn", "OTEL_TRACES_EXPORTER=none", "OTEL_METRICS_EXPORTER=none"}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = ownGroup()
	p.cmd.SysProcAttr.Chroot = root
	p.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65532, Gid: 65532}
	if err := running.start(p); err != nil {
		t.Fatalf("start in %s: %v", root, err)
	}
	t.Cleanup(p.kill)
	p.awaitReady(t, func(ctx context.Context) error {
		_, err := get(ctx, "http://"+health+"/readyz")
		return err
	})
	healthy := func() (string, error) {
		ask := exec.CommandContext(t.Context(), check[0], append(check[1:len(check):len(check)], "--endpoint", health)...)
		ask.Dir, ask.Env = p.cmd.Dir, []string{}
		ask.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: p.cmd.SysProcAttr.Credential}
		out, err := ask.CombinedOutput()
		return string(out), err
	}
	if out, err := healthy(); err != nil {
		t.Errorf("the health check finds fault: %v %s", err, out)
	}
	store := filepath.Join(root, "var", "lib", "cdr2otel", "cdr2otel.db")
	info, err := os.Stat(store)
	if err != nil {
		t.Fatalf("the store is not on the volume: %v", err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 65532 {
		t.Errorf("the store belongs to %d", owner)
	}
	p.kill()
	if out, err := healthy(); err == nil {
		t.Errorf("nothing runs, and the health check says %s", out)
	}
	confirmed(t, "the image of the Containerfile serves as user 65532, and says whether it can")
}
