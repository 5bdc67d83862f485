package doctor_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cdr2otel/exporter/doctor"
	"cdr2otel/exporter/internal/store"
	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/testenv"
)

func TestAllIsWellWithASidecarThatIsAboutToStart(t *testing.T) {
	t.Parallel()
	s := surround(t, otlptest.New(t, otlptest.Options{}))
	f := s.examine(nil)
	f.want("config", doctor.OK, "cdr2otel.yaml is valid, 1 source")
	f.want("secrets", doctor.OK, "none is short")
	f.want("exposure", doctor.OK)
	f.want("store", doctor.OK, "store.db: not there yet", "read again")
	f.want("certificate", doctor.Skip, "has none")
	f.want("sidecar", doctor.Note, "one about to start")
	for name, address := range s.listeners() {
		f.want("listener "+name, doctor.OK, address, "free")
	}
	f.want("clock", doctor.OK, "the metrics endpoint")
	f.want("back end", doctor.Note, "after the call", "collector-config/README.md")
	if failed := f.Failed(); failed != nil {
		t.Errorf("%q failed", failed)
	}
	if left, err := os.ReadDir(s.dir); err != nil || len(left) != 1 {
		t.Errorf("it left %v (%v)", left, err)
	}
}

func TestARunningSidecarIsAskedInstead(t *testing.T) {
	t.Parallel()
	s := surround(t, otlptest.New(t, otlptest.Options{}))
	s.certificate(-time.Hour, 90*24*time.Hour, "telemetry.example.com")
	s.serve()
	f := s.examine(nil)
	f.want("sidecar", doctor.OK, "it runs and is ready")
	f.want("store", doctor.OK, "in use by the running sidecar")
	f.want("clock", doctor.OK, "the running sidecar")
	for name, address := range s.listeners() {
		f.want("listener "+name, doctor.OK, address, "answered by the running sidecar")
	}
	if failed := f.Failed(); failed != nil {
		t.Errorf("%q failed:\n%s", failed, f)
	}
}

func TestASidecarThatRunsWithAnotherConfigurationIsSeen(t *testing.T) {
	t.Parallel()
	s := surround(t, otlptest.New(t, otlptest.Options{}))
	s.serve()
	s.yaml = "webhook: {endpoint: \"" + testenv.FreeAddress(t) + "\"}\n"
	s.examine(nil).want("listener webhook", doctor.Fail, "does not answer there", "another configuration")
}

func TestASidecarThatExportsElsewhereOrHasAnotherStoreIsSeen(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	s := surround(t, r)
	s.env["OTEL_TRACES_EXPORTER"], s.env["OTEL_METRICS_EXPORTER"] = "console", "none"
	s.serve()
	if failed := s.examine(nil).Failed(); failed != nil {
		t.Errorf("with the same environment %q failed", failed)
	}
	s.env["OTEL_TRACES_EXPORTER"] = ""
	s.env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = r.HTTPEndpoint() + "/token-S3CRET-1/v1/traces"
	s.yaml = "store: {url: \"sqlite:" + filepath.Join(s.dir, "other.db") + "\", max_size: 16MiB}\n"
	f := s.examine(nil)
	f.want("sidecar", doctor.Fail, "traces to the console, not to "+r.HTTPEndpoint()+"/…/v1/traces over http/protobuf", "the environment and the configuration of serve")
	f.want("sidecar", doctor.Fail, "its store is sqlite:"+filepath.Join(s.dir, "store.db"), "says sqlite:"+filepath.Join(s.dir, "other.db"))
	f.want("store", doctor.OK, "not in use by the running sidecar")
	if strings.Contains(f.String(), "S3CRET") || strings.Contains(f.String(), "metrics to") {
		t.Errorf("it says\n%s", f)
	}
}

func TestAPortThatSomebodyElseHasFails(t *testing.T) {
	t.Parallel()
	s := surround(t, otlptest.New(t, otlptest.Options{}))
	for _, address := range []string{s.health, s.admin} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		other := &http.Server{Handler: http.NotFoundHandler()}
		ended := make(chan error, 1)
		go func() { ended <- other.Serve(l) }()
		defer func() {
			_ = other.Shutdown(context.Background())
			<-ended
		}()
	}
	f := s.examine(nil)
	f.want("sidecar", doctor.Note, "none answers")
	f.want("listener health", doctor.Fail, "is in use already", "set health.endpoint to another address")
	f.want("listener admin", doctor.Fail, "is in use already", "set admin.endpoint to another address")
	f.want("listener webhook", doctor.OK, "free")
}

func TestAStoreThatNothingCanBeKeptAtFails(t *testing.T) {
	t.Parallel()
	r := otlptest.New(t, otlptest.Options{})
	s := surround(t, r)
	s.yaml = "store: {url: \"sqlite:" + s.dir + "/absent/store.db\"}\n"
	s.examine(nil).want("store", doctor.Fail, "no such file or directory", "make the directory "+s.dir+"/absent")

	s = surround(t, r)
	s.yaml = "store: {url: \"sqlite:" + s.file("file", nil) + "/store.db\"}\n"
	s.examine(nil).want("store", doctor.Fail, "is not a directory")

	s = surround(t, r)
	if err := os.Chmod(s.dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(s.dir, 0o700) }) // for its removal
	if f, err := os.Create(filepath.Join(s.dir, "root")); err == nil {
		_ = f.Close() // this user may write anywhere
		return
	}
	s.examine(nil).want("store", doctor.Fail, "permission denied", "run this as the user that serve runs as")
}

func TestAStoreThatAnotherProcessHasFails(t *testing.T) {
	t.Parallel()
	s := surround(t, otlptest.New(t, otlptest.Options{}))
	held, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(s.dir, "store.db"), MaxSize: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	s.examine(nil).want("store", doctor.Fail, "in use by another process", "another store.url")
}

func TestAClockThatIsOffIsSeen(t *testing.T) {
	t.Parallel()
	for words, test := range map[string]struct {
		ahead time.Duration
		state doctor.State
		text  string
	}{
		"a little ahead": {10 * time.Second, doctor.Warn, "10s behind that of the traces endpoint"},
		"far ahead":      {5 * time.Minute, doctor.Fail, "5m0s behind"},
		"far behind":     {-5 * time.Minute, doctor.Fail, "5m0s ahead of that of"},
	} {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", time.Now().Add(test.ahead).UTC().Format(http.TimeFormat))
			}))
			t.Cleanup(server.Close)
			s := surround(t, nil)
			s.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = server.URL
			s.examine(nil).want("clock", test.state, test.text)
		})
	}
}
