package backends

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/internal/testenv"
)

// prepareExample is a folder examples/compose as a person with a strict umask makes it,
// and the volumes of compose.yaml, all new.
type prepareExample struct{ compose, volumes string }

func newPrepareExample(t *testing.T, secrets ...string) prepareExample {
	t.Helper()
	root := scratch(t)
	e := prepareExample{compose: filepath.Join(root, "compose"), volumes: filepath.Join(root, "volumes")}
	for _, dir := range []string{"compose/secrets", "volumes/secrets", "volumes/queue", "volumes/traces", "volumes/logs", "volumes/certificates"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	e.write(t, "cdr2otel.yaml", 0o644)
	for _, name := range secrets {
		e.write(t, filepath.Join("secrets", name), 0o600)
	}
	return e
}

// write makes a file below compose that holds its own name.
func (e prepareExample) write(t *testing.T, name string, mode fs.FileMode) {
	t.Helper()
	file := filepath.Join(e.compose, name)
	if err := os.WriteFile(file, []byte(filepath.Base(name)+"\n"), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

// run runs prepare.sh, as root with no capabilities but those of compose.yaml.
func (e prepareExample) run(t *testing.T) (printed string, err error) {
	t.Helper()
	script := []string{"/bin/sh", repoPath("examples", "compose", "prepare.sh"), e.compose, e.volumes}
	if os.Geteuid() == 0 {
		var capabilities strings.Builder
		for _, name := range loadCompose(t).Services["prepare"].CapAdd {
			capabilities.WriteString(",+" + strings.ToLower(name))
		}
		script = append([]string{"setpriv", "--bounding-set=-all" + capabilities.String(), "--inh-caps=-all", "--no-new-privs"}, script...)
	}
	out, err := exec.CommandContext(t.Context(), script[0], script[1:]...).CombinedOutput()
	return string(out), err
}

func TestTheSecretsOfTheComposeExampleAreReadByTheirProgramsWhateverTheUmask(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("setpriv"); err != nil || os.Geteuid() != 0 {
		testenv.Missing(t, "only root, with setpriv, can give files to other users (run the tests as root; Debian: apt-get install util-linux)")
	}
	e := newPrepareExample(t, "live", "draft", "postgres")
	if err := filepath.WalkDir(e.compose, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, 1000, 1000) // of a person, who is not root
	}); err != nil {
		t.Fatal(err)
	}
	type secret struct {
		Owner   uint32
		Mode    fs.FileMode
		Content string
	}
	want := map[string]secret{
		"live":     {65532, 0o400, "live\n"},
		"draft":    {65532, 0o400, "draft\n"},
		"pgpass":   {65532, 0o400, "*:*:*:*:postgres\n"},
		"postgres": {70, 0o400, "postgres\n"},
	}
	for _, again := range []bool{false, true} {
		if printed, err := e.run(t); err != nil || printed != "" {
			t.Fatalf("again %t: %v\n%s", again, err, printed)
		}
		got := map[string]secret{}
		files, err := os.ReadDir(filepath.Join(e.volumes, "secrets"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			info, err := file.Info()
			if err != nil {
				t.Fatal(err)
			}
			got[file.Name()] = secret{
				Owner: info.Sys().(*syscall.Stat_t).Uid, Mode: info.Mode(),
				Content: readExample(t, filepath.Join(e.volumes, "secrets", file.Name())),
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("again %t (-want +got):\n%s", again, diff)
		}
	}
}

func TestTheComposeExampleSaysWhatIsMissingBeforeAnythingElseStarts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		secrets []string
		spoil   func(*testing.T, prepareExample)
		want    string
	}{
		"no secret":          {want: "examples/compose/secrets/live is missing or empty"},
		"one of two secrets": {secrets: []string{"live"}, want: "examples/compose/secrets/draft is missing or empty"},
		"a closed checkout": {
			secrets: []string{"live", "draft"},
			spoil:   func(t *testing.T, e prepareExample) { e.write(t, "cdr2otel.yaml", 0o600) },
			want:    "open it: chmod -R go+rX collector-config && chmod go+r $(git ls-files examples)\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newPrepareExample(t, test.secrets...)
			if test.spoil != nil {
				test.spoil(t, e)
			}
			if printed, err := e.run(t); err == nil || !strings.Contains(printed, test.want) {
				t.Errorf("%v, printed:\n%s", err, printed)
			}
		})
	}
}
