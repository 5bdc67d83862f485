package exporter_test

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc/codes"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
)

// awaitRefused returns once as many are refused since the start: an answer is counted
// after it was given.
func (s *sidecar) awaitRefused(t *testing.T, want map[string]int64) {
	t.Helper()
	s.awaitReadiness(t, func(_ int, r readiness) bool { return maps.Equal(r.Reasons, want) })
}

// tile is what the overview says of the webhook listener.
func (s *sidecar) tile(t *testing.T) string {
	t.Helper()
	return content(s.visit(t, "/").id("tile-ready"))
}

// refusedOnOverview are the lines of what was refused: reason → source, status, last
// hour, 24 hours.
func (s *sidecar) refusedOnOverview(t *testing.T) map[string]string {
	t.Helper()
	lines := map[string]string{}
	for _, row := range s.visit(t, "/").with("data-reason") {
		var cells []string
		for n := range row.ChildNodes() {
			switch attr(n, "data-label") {
			case "Source", "Status", "Last hour", "24 hours":
				cells = append(cells, content(n))
			}
		}
		lines[attr(row, "data-reason")+" "+attr(row, "data-loss")] = strings.Join(cells, " ")
	}
	return lines
}

func TestEveryRefusedWebhookIsOnTheOverviewAlsoAfterARestart(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	cfg.Sources["live"] = cfg.Sources[config.DefaultSource]
	cfg.Webhook.MaxRequestBodySize = 1 << 10
	s := start(t, cfg, off())
	if got := s.tile(t); !strings.Contains(got, "none refused in 24 hours") {
		t.Errorf("before anything is refused: %q", got)
	}
	signed := authorized(sign(hs256, `{}`, string(secret)))
	for _, text := range []string{
		post("/webhook/default", "", hook("a")),
		post("/webhook/live", "", hook("a")),
		post("/webhook/live/", authorized(sign(hs256, `{}`, "wrong")), hook("a")),
		post("/webhook/lvie?token=s3cret", signed, hook("a")),
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
		post("/webhook", signed, "hello"),
		post("/webhook", signed, strings.Repeat(" ", 2000)),
		post("/webhook", signed+"Content-Encoding: br\r\n", hook("a")),
		post("/webhook", signed, hook("taken")),
	} {
		say(t, s.address(t), text)
	}
	s.awaitRefused(t, map[string]int64{"no_credentials": 2, "bad_credentials": 1, "unknown_source": 1, "method_not_allowed": 1, "not_json": 1,
		"declared_too_large": 1, "unsupported_content_coding": 1})
	want := map[string]string{
		"no_credentials lost": "", "bad_credentials lost": "live 401 1 1", "not_json lost": "default 400 1 1", "declared_too_large lost": "default 413 1 1",
		"unsupported_content_coding lost": "default 415 1 1", "unknown_source perhaps": "none 404 1 1", "method_not_allowed perhaps": "any 405 1 1",
	}
	look := func() {
		t.Helper()
		got := s.refusedOnOverview(t)
		if either := got["no_credentials lost"]; either != "default 401 1 1" && either != "live 401 1 1" {
			t.Errorf("without credentials: %q", either)
		}
		got["no_credentials lost"] = "" // of two sources
		if !maps.Equal(got, want) {
			t.Errorf("the overview has %v, want %v", got, want)
		}
		if got := s.tile(t); !strings.Contains(got, "6 refused in 24 hours") || !strings.Contains(got, "2 more for their path, method or connection") {
			t.Errorf("the overview says %q", got)
		}
		if title := content(s.visit(t, "/").id("chart-title")); !strings.HasPrefix(title, "9 webhooks from ") || !strings.Contains(title, "8 of them refused") {
			t.Errorf("the picture is described as %q", title)
		}
	}
	look()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s = start(t, cfg, off())
	look()
	if _, r := s.readiness(t); r.Refused != 0 || len(r.Reasons) != 0 {
		t.Errorf("readyz, which counts since the start, has %d refused: %v", r.Refused, r.Reasons)
	}
}

// What only strangers sent is no alarm, and no "none refused" either.
func TestARequestWithAnotherPathOrMethodMayBeThePlatforms(t *testing.T) {
	t.Parallel()
	s := start(t, configuration(t.TempDir()), off())
	if got := say(t, s.address(t), "GET /favicon.ico HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"); !strings.Contains(got.body, "it takes POST from watsonx Assistant") || strings.Contains(got.body, "127.0.0.1") {
		t.Errorf("a browser is told %q", got.body)
	}
	s.awaitRefused(t, map[string]int64{"method_not_allowed": 1})
	if got := s.tile(t); !strings.Contains(got, "1 refused in 24 hours for their path, method or connection: a scanner's, or lost") {
		t.Errorf("the overview says %q", got)
	}
}

func TestTheRefusedTabSaysWhatWasAskedForByWhomAndWhatToDo(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	cfg.Sources["live"] = cfg.Sources[config.DefaultSource]
	s := start(t, cfg, off())
	say(t, s.address(t), post("/webhook/lvie?token=s3cret", "User-Agent: watsonx <b>1</b>\r\n", hook("a")))
	s.awaitRefused(t, map[string]int64{"unknown_source": 1})
	p := s.visit(t, "/deliveries?tab=refused")
	row := content(p.id("refusals"))
	for _, want := range []string{"404", "no such path or source", "Compare the URL", "lvie not configured", "/webhook/lvie", "127.0.0.1", "watsonx <b>1</b>"} {
		if !strings.Contains(row, want) {
			t.Errorf("the row has no %q: %s", want, row)
		}
	}
	if got := content(p.id("posted-to")); !strings.Contains(got, "/webhook/default") || !strings.Contains(got, "Sources there are: default , live .") {
		t.Errorf("the page says of its sources %q", got)
	}
	if strings.Contains(p.text, "s3cret") {
		t.Error("the query of the path is shown")
	}
	if strings.Contains(content(p.id("main")), "only 503") {
		t.Error("the page says that most refusals cost nothing")
	}
}

// A method is refused before the source is looked up: nothing is said of it.
func TestAMethodThatIsRefusedSaysNothingOfTheSource(t *testing.T) {
	t.Parallel()
	opts, log := logged(off())
	s := start(t, configuration(t.TempDir()), opts)
	say(t, s.address(t), "GET /webhook/default HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	s.awaitRefused(t, map[string]int64{"method_not_allowed": 1})
	row := content(s.visit(t, "/deliveries?tab=refused").id("refusals"))
	if !strings.Contains(row, "not a POST") || !strings.Contains(row, "/webhook/default") || strings.Contains(row, "not configured") {
		t.Errorf("the row is %s", row)
	}
	const refused = "webhook refused: it is lost if the platform sent it"
	await(t, func() bool { return strings.Contains(log.String(), refused) })
	if line := loggedLine(t, log, refused); line["path"] != "/webhook/default" || line["source"] != nil {
		t.Errorf("the log has %v", line)
	}
}

// One line of the log has what it takes to mend a wrong URL; and a scanner that is refused
// all the time does not hide it.
func TestTheLogSamplesRefusalsBySourceAndReason(t *testing.T) {
	t.Parallel()
	logged := &records{}
	opts := off()
	opts.Logger = slog.New(logged)
	cfg := configuration(t.TempDir())
	cfg.Sources["live"] = cfg.Sources[config.DefaultSource]
	s := start(t, cfg, opts)
	const scanned = 50
	for range scanned {
		say(t, s.address(t), post("/webhook/lvie", "User-Agent: scan\r\n", ""))
	}
	say(t, s.address(t), post("/webhook/default", "", hook("a")))
	say(t, s.address(t), post("/webhook/live", "", hook("a")))
	s.awaitRefused(t, map[string]int64{"unknown_source": scanned, "no_credentials": 2})
	const perhaps = "webhook refused: it is lost if the platform sent it"
	for _, one := range logged.with("reason", "unknown_source")[:3] {
		if one["msg"] != perhaps || one["path"] != "/webhook/lvie" || one["sources"] != "default, live" || one["user_agent"] != "scan" || one["hint"] == "" {
			t.Errorf("the log has %v", one)
		}
	}
	seen := map[string]string{}
	for _, one := range logged.with("reason", "no_credentials") {
		seen[one["source"]] = one["msg"] + " " + one["since_start"]
	}
	if want := map[string]string{"default": perhaps + " 1", "live": perhaps + " 1"}; !maps.Equal(seen, want) {
		t.Errorf("the platform's refusals are logged as %v, want %v", seen, want)
	}
	say(t, s.address(t), post("/webhook/default", authorized(sign(hs256, `{}`, string(secret))), "hello"))
	s.awaitRefused(t, map[string]int64{"unknown_source": scanned, "no_credentials": 2, "not_json": 1})
	if lines := logged.with("msg", "webhook refused: it is lost at its source"); len(lines) != 1 {
		t.Errorf("an authentic webhook that is refused is logged %d times", len(lines))
	}
}

func TestASignalHasSentNothingYetOrIsNotUsedOrOff(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*config.Config)
		env    map[string]string
		want   string
	}{
		"spans":                {asItIs, nil, "logs not used, traces nothing sent yet"},
		"records":              {func(c *config.Config) { c.Mapping.Events = config.EventsLog }, nil, "logs nothing sent yet, traces nothing sent yet"},
		"late messages alone":  {func(c *config.Config) { c.Correlation.Late = config.LateLog }, nil, "logs nothing sent yet, traces nothing sent yet"},
		"logs switched off":    {func(c *config.Config) { c.Mapping.Events = config.EventsBoth }, map[string]string{"OTEL_LOGS_EXPORTER": "none"}, "logs off, traces nothing sent yet"},
		"traces switched off":  {asItIs, map[string]string{"OTEL_TRACES_EXPORTER": "none"}, "logs not used, traces off"},
		"everything, consoles": {asItIs, map[string]string{"OTEL_TRACES_EXPORTER": "console", "OTEL_LOGS_EXPORTER": "console"}, "logs not used, traces nothing sent yet"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := configuration(t.TempDir())
			tt.change(&cfg)
			s := start(t, cfg, exporter.Options{Getenv: environment(tt.env)})
			_, r := s.readiness(t)
			if got := fmt.Sprintf("logs %s, traces %s", r.Delivery["logs"], r.Delivery["traces"]); got != tt.want {
				t.Errorf("readyz has %q, want %q", got, tt.want)
			}
			if got := content(s.visit(t, "/").id("tile-export")); !strings.Contains(got, strings.ReplaceAll(tt.want, ",", "")) {
				t.Errorf("the overview has %q, want %q", got, tt.want)
			}
		})
	}
}

func TestASignalIsSendingOnceSomethingWasTaken(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	s := start(t, configuration(t.TempDir()), overriding(receiver, otlptest.ProtocolGRPC))
	if _, r := s.readiness(t); r.Delivery["traces"] != "nothing sent yet" {
		t.Errorf("before anything was sent readyz has %q", r.Delivery["traces"])
	}
	s.accepted(t, sample(t, "failed_without_turns.cdr.json"))
	s.awaitReadiness(t, func(_ int, r readiness) bool { return r.Delivery["traces"] == "sending" })
	if got := content(s.visit(t, "/").id("tile-export")); !strings.Contains(got, "traces sending") {
		t.Errorf("the overview has %q", got)
	}
}

// A try may take as long as the receiver likes: its time is then past.
func TestAHeldSignalThatIsTriedIsNotTriedLater(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{Answer: func(n int, _ *coltracepb.ExportTraceServiceRequest) otlptest.Answer {
		if n == 0 {
			return otlptest.Answer{Code: codes.Unavailable, Message: "busy"}
		}
		return otlptest.Answer{Until: make(chan struct{})}
	}})
	s := start(t, configuration(t.TempDir()), overriding(receiver, otlptest.ProtocolGRPC))
	s.accepted(t, sample(t, "failed_without_turns.cdr.json"))
	s.awaitReadiness(t, func(_ int, r readiness) bool { return r.Delivery["traces"] == "held: unavailable, trying now" })
	if held := content(s.visit(t, "/").with("data-signal")[0]); !strings.Contains(held, "; trying now. It is tried again") || strings.Contains(held, "next try") {
		t.Errorf("the page says %q", held)
	}
}

// What a stranger may ask for, /readyz, does not name the destination; the overview does,
// without the token in its path.
func TestAHeldSignalNamesItsDestinationOnTheOverviewOnly(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	receiver.SetDown(true)
	opts := off()
	opts.Getenv = environment(map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.HTTPEndpoint() + "/e/S3CRET", "OTEL_EXPORTER_OTLP_PROTOCOL": otlptest.ProtocolHTTP,
	})
	s := start(t, configuration(t.TempDir()), opts)
	s.accepted(t, sample(t, "failed_without_turns.cdr.json"))
	s.awaitReadiness(t, func(_ int, r readiness) bool {
		return strings.HasPrefix(r.Delivery["traces"], "held: unavailable, next try at ")
	})
	p := s.visit(t, "/")
	held := content(p.with("data-signal")[0])
	for _, want := range []string{"is held: the receiver can't be reached", "To " + receiver.HTTPEndpoint() + "/e/…/v1/traces", "Held since ", "next try at ", "cdr2otel doctor"} {
		if !strings.Contains(held, want) {
			t.Errorf("the page says %q, without %q", held, want)
		}
	}
	_, ready := get(t, "http://"+s.HealthAddr()+"/readyz")
	for what, text := range map[string]string{"overview": p.text, "readyz": ready} {
		if strings.Contains(text, "S3CRET") || what == "readyz" && strings.Contains(text, receiver.HTTPEndpoint()) {
			t.Errorf("%s tells too much: %s", what, text)
		}
	}
}

// A final slash at the platform, and a byte order mark that an editor or a proxy adds, cost
// no webhook.
func TestAFinalSlashAndAByteOrderMarkLoseNothing(t *testing.T) {
	t.Parallel()
	receiver := otlptest.New(t, otlptest.Options{})
	s := start(t, configuration(t.TempDir()), overriding(receiver, otlptest.ProtocolGRPC))
	body := sample(t, "failed_without_turns.cdr.json")
	s.URL += "/"
	s.accepted(t, append([]byte("\xef\xbb\xbf"), body...))
	s.awaitState(t, "exported", 1)
	s.URL = strings.TrimSuffix(s.URL, "default/")
	s.accepted(t, body) // the same
	if _, r := s.readiness(t); r.Events["accepted"] != 1 {
		t.Errorf("with a mark it is another event: %v", r.Events)
	}
	if status, _, err := s.Post(t.Context(), append([]byte("\xef\xbb\xbf\xef\xbb\xbf"), body...)); err != nil || status != http.StatusBadRequest {
		t.Errorf("two marks: status %d, %v", status, err)
	}
}

// An event whose count was lost with its process is in the ledger all the same.
func TestTheOverviewKnowsOfAnEventThatWasNotCounted(t *testing.T) {
	t.Parallel()
	cfg := configuration(t.TempDir())
	s := start(t, cfg, off())
	s.accepted(t, []byte(hook("one")))
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := database(t, cfg).ExecContext(t.Context(), "DELETE FROM answer"); err != nil {
		t.Fatal(err)
	}
	s = start(t, cfg, off())
	if p := s.visit(t, "/"); p.id("uncounted") == nil || strings.Contains(p.text, "No webhook") {
		t.Errorf("the overview says %s", content(p.id("main")))
	}
}

// What a kill leaves is what is on the disk while the process runs.
func TestAStartAfterAKillSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	const missing = "the process before was not stopped in order"
	cfg, left := configuration(t.TempDir()), configuration(t.TempDir())
	s := start(t, cfg, off())
	s.accepted(t, []byte(hook("one")))
	path, copied := strings.TrimPrefix(cfg.Store.URL, "sqlite:"), strings.TrimPrefix(left.Store.URL, "sqlite:")
	for _, suffix := range []string{"", "-wal"} {
		file, err := os.ReadFile(path + suffix)
		if err == nil {
			err = os.WriteFile(copied+suffix, file, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	for killed, c := range map[bool]config.Config{true: left, false: cfg} {
		opts, log := logged(off())
		s := start(t, c, opts)
		if got := strings.Contains(log.String(), missing); got != killed {
			t.Errorf("killed: %t, and the log has\n%s", killed, log)
		}
		if p := s.visit(t, "/"); (p.id("killed") != nil) != killed || strings.Contains(p.text, "No webhook") {
			t.Errorf("killed: %t, and the overview says %s", killed, content(p.id("main")))
		}
	}
}
