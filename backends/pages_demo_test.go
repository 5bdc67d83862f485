package backends

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/client"
	"cdr2otel/internal/otlptest"
	"cdr2otel/internal/sample"
)

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// demoDay is when the hour of the pictures begins, so that they change with the
// pages only.
var demoDay = time.Date(2026, time.March, 5, 14, 0, 0, 0, time.UTC)

// clock goes as fast as any, and jumps.
type clock struct {
	mu   sync.Mutex // guards what follows
	at   time.Time
	from time.Time // when it was at
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at.Add(time.Since(c.from))
}

func (c *clock) jump(to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.from = to, time.Now()
}

// demoSite is a sidecar in this process whose last hour was an ordinary one with
// the sample calls under many names.
func demoSite(t testing.TB) (*site, *clock) {
	t.Helper()
	browserPath(t)
	c := &clock{}
	c.jump(demoDay)
	s := &site{receiver: otlptest.New(t, otlptest.Options{}), exporterProcess: &exporterProcess{}}
	cfg := config.Default()
	secret := configopaque.String("purple unicorn")
	// Not a token: its times would not be those of the clock.
	source := cfg.Sources[config.DefaultSource]
	source.Auth = config.Auth{Header: &config.Header{Name: "Authorization", Values: []configopaque.String{secret}}}
	source.Messages = config.MessagesNone // those that come are there before the record
	cfg.Sources[config.DefaultSource] = source
	cfg.Correlation.Grace, cfg.Correlation.ChatIdle = time.Second, time.Second
	cfg.Webhook.Endpoint, cfg.Health.Endpoint, cfg.Admin.Endpoint = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.Store.URL = "sqlite:" + filepath.Join(scratch(t), "cdr2otel.db")
	environment := map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": s.receiver.GRPCEndpoint(), "OTEL_EXPORTER_OTLP_PROTOCOL": otlptest.ProtocolGRPC, "OTEL_METRICS_EXPORTER": "none",
	}
	e, err := exporter.New(t.Context(), cfg, exporter.Options{Version: "1.0.0", Now: c.now, Getenv: func(name string) string { return environment[name] }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the exporter ended with: %v", err)
		}
	})
	<-e.Started()
	s.Admin = e.AdminAddr()
	s.Client = client.Client{URL: e.WebhookURL(config.DefaultSource), Secret: secret, Header: "Authorization"}
	s.ordinaryHour(t, c)
	return s, c
}

// demoCall is a call of the ordinary hour.
type demoCall struct {
	sample  string
	end     time.Duration // since the hour began
	stretch float64       // of its times: people take their time, and so do assistants
}

// ordinaryHour posts what an hour brings. The last calls keep the ids of the
// samples.
func (s *site) ordinaryHour(t testing.TB, c *clock) {
	t.Helper()
	var hour []demoCall
	for n := range 44 {
		name := "dtmf_call"
		switch n % 11 {
		case 2, 8:
			name = "speech_call"
		case 4:
			name = "outbound_without_rtcp"
		case 6:
			name = "transfer"
		case 9:
			name = "failed_without_turns"
		}
		hour = append(hour, demoCall{name, time.Duration(100+n*72+n*n%23) * time.Second, 0.55 + 0.55*float64(n*7%11)/10})
	}
	exported := 0
	for n, call := range hour {
		end := demoDay.Add(call.end)
		c.jump(end.Add(700 * time.Millisecond))
		bodies := stretched(t, under(fmt.Sprint("call ", n), mustBodies(t, call.sample)...), call.stretch)
		bodies = s.postEnding(t, bodies, end)
		exported += len(bodies)
		s.awaitState(t, "exported", int64(exported))
		if n%13 == 5 {
			s.post(t, bodies[0]) // the platform was not sure
		}
		if n == 21 {
			s.postRefused(t)
		}
	}
	s.lastCalls(t, c, exported)
}

// lastCalls are those that the pictures show in full.
func (s *site) lastCalls(t testing.TB, c *clock, exported int) {
	t.Helper()
	c.jump(demoDay.Add(55 * time.Minute))
	chat, err := sample.Chat(c.now())
	if err != nil {
		t.Fatal(err)
	}
	s.post(t, chat...)
	c.jump(demoDay.Add(56*time.Minute + 12*time.Second))
	dtmf := s.postEnding(t, mustBodies(t, "dtmf_call"), c.now())
	exported += len(chat) + len(dtmf)
	s.awaitState(t, "exported", int64(exported))
	c.jump(demoDay.Add(57*time.Minute + 41*time.Second))
	speech := s.postEnding(t, mustBodies(t, "speech_call"), c.now())
	exported += len(speech)
	s.awaitState(t, "exported", int64(exported))
	s.post(t, speech[0])
	c.jump(demoDay.Add(58*time.Minute + 30*time.Second))
	s.refuse(transferTrace)
	s.postEnding(t, mustBodies(t, "transfer"), c.now())
	s.post(t, []byte(`{"event":{"name":"survey_logged"},"payload":{}}`))
	s.awaitRejected(t)
	s.postEnding(t, mustBodies(t, "failed_without_turns"), c.now())
	s.awaitState(t, "dead", 2)
	s.refuse("")
	c.jump(demoDay.Add(59*time.Minute + 20*time.Second))
	s.post(t, under("open", sample.Move(mustBodies(t, "speech_call")[1], c.now().Sub(time.Date(2024, 3, 5, 15, 0, 1, 0, time.UTC))))...)
}

// postEnding posts a call that ends then, its record last as the platform does, and
// returns what it posted, the record first.
func (s *site) postEnding(t testing.TB, bodies [][]byte, end time.Time) [][]byte {
	t.Helper()
	moved, err := sample.MoveEnd(bodies, end)
	if err != nil {
		t.Fatal(err)
	}
	s.post(t, moved[1:]...)
	s.post(t, moved[0])
	return moved
}

func mustBodies(t testing.TB, name string) [][]byte {
	t.Helper()
	bodies, err := sample.Bodies(name)
	if err != nil {
		t.Fatal(err)
	}
	return bodies
}

var (
	bodyInstant = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`)
	bodyLength  = regexp.MustCompile(`(milliseconds[a-z_]*": )(\d+)`)
)

// stretched is a call in which everything takes factor times as long.
func stretched(t testing.TB, bodies [][]byte, factor float64) [][]byte {
	t.Helper()
	var zero time.Time
	for i, body := range bodies {
		body = bodyInstant.ReplaceAllFunc(body, func(quoted []byte) []byte {
			at, err := time.Parse(`"`+time.RFC3339+`"`, string(quoted))
			if err != nil {
				t.Fatal(err)
			}
			if at.Year() <= 1970 {
				return quoted
			}
			if zero.IsZero() {
				zero = at
			}
			return []byte(zero.Add(time.Duration(float64(at.Sub(zero)) * factor)).Format(`"2006-01-02T15:04:05.000Z"`))
		})
		bodies[i] = bodyLength.ReplaceAllFunc(body, func(pair []byte) []byte {
			m := bodyLength.FindSubmatch(pair)
			n, err := strconv.ParseFloat(string(m[2]), 64)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Appendf(nil, "%s%d", m[1], int(n*factor))
		})
	}
	return bodies
}
