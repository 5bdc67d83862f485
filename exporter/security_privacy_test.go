package exporter_test

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"cdr2otel/exporter/config"
	"cdr2otel/internal/otlptest"
)

// exported posts a call detail record to a sidecar of this configuration and
// returns the resource and the root span that leave for it.
func exported(t *testing.T, cfg config.Config, file string, headers http.Header) (resource map[string]string, root *tracepb.Span) {
	t.Helper()
	receiver := otlptest.New(t, otlptest.Options{})
	cfg = withSource(cfg, func(s *config.Source) { s.Messages = config.MessagesNone })
	s := start(t, cfg, overriding(receiver, otlptest.ProtocolGRPC))
	for name := range headers {
		s.HTTPClient = &http.Client{Transport: header{name, headers.Get(name), s.HTTPClient.Transport}}
	}
	s.accepted(t, sample(t, file))
	request := awaitRequests(t, receiver, 1)[0]
	resource = map[string]string{}
	for _, a := range request.Traces.ResourceSpans[0].Resource.Attributes {
		resource[a.Key] = a.Value.GetStringValue()
	}
	return resource, request.Spans()[0]
}

// below are the keys of a span's attributes that begin with prefix, sorted.
func below(span *tracepb.Span, prefix string) []string {
	keys := map[string]bool{}
	for _, a := range span.Attributes {
		if strings.HasPrefix(a.Key, prefix) {
			keys[a.Key] = true
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

func TestEachPersonalDatumLeavesOnlyWhenItIsNamed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pii  []config.PII
		want []string
	}{
		{nil, nil},
		{[]config.PII{config.PIICallerNumber}, []string{"wxa.pii.caller.number"}},
		{[]config.PII{config.PIICalleeNumber}, []string{"wxa.pii.callee.number"}},
		{[]config.PII{config.PIISIPURIs}, []string{"wxa.pii.sip.from_uri", "wxa.pii.sip.to_uri"}},
	} {
		cfg := configuration(t.TempDir())
		cfg.Mapping.PII = tt.pii
		_, root := exported(t, cfg, "speech_call.cdr.json", nil)
		if diff := cmp.Diff(tt.want, below(root, "wxa.pii.")); diff != "" {
			t.Errorf("%v: %s", tt.pii, diff)
		}
	}
}

func TestTheCallerHashDependsOnItsKey(t *testing.T) {
	t.Parallel()
	hash := func(key string) string {
		cfg := configuration(t.TempDir())
		if key != "" {
			cfg.Mapping.CallerHashKeyFile = secretFile(t, key)
		}
		_, root := exported(t, cfg, "speech_call.cdr.json", nil)
		return attribute(root, "wxa.caller.hash")
	}
	none, one, again, other := hash(""), hash("key"), hash("key\n"), hash("another key")
	if none != "" || one == "" || one != again || one == other || strings.Contains(one, "5550100") {
		t.Errorf("without a key %q, with one %q and %q, with another %q", none, one, again, other)
	}
}

func TestOnlyListedCustomDataLeave(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		listed []config.CustomData
		want   []string
	}{
		{nil, nil},
		{[]config.CustomData{{Key: "/queue", Attribute: "wxa.custom.queue"}}, []string{"wxa.custom.queue"}},
		{[]config.CustomData{{Key: "/absent", Attribute: "wxa.custom.queue"}}, nil},
		{[]config.CustomData{{Key: "/reservation_complete", Attribute: "wxa.custom.other"}}, []string{"wxa.custom.other"}},
	} {
		cfg := configuration(t.TempDir())
		cfg.Mapping.CustomData = tt.listed
		_, root := exported(t, cfg, "speech_call.cdr.json", nil)
		if diff := cmp.Diff(tt.want, below(root, "wxa.custom.")); diff != "" {
			t.Errorf("%v: %s", tt.listed, diff)
		}
	}
}

func TestOnlyListedHeaderValuesLeave(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{"live": "live", "draft": "", "live, draft": "", "": ""} {
		cfg := withSource(configuration(t.TempDir()), func(s *config.Source) {
			s.HeaderAttributes = map[string]config.HeaderAttribute{
				"x-environment": {Attribute: "deployment.environment.name", Values: []string{"live"}},
			}
		})
		resource, _ := exported(t, cfg, "dtmf_call.cdr.json", http.Header{"X-Environment": {value}, "X-Other": {"live"}})
		if got := resource["deployment.environment.name"]; got != want {
			t.Errorf("%q leaves as %q, want %q", value, got, want)
		}
		for key, got := range resource {
			if key != "deployment.environment.name" && strings.Contains(got, "live") {
				t.Errorf("a header that is not listed leaves as %s", key)
			}
		}
	}
}

// The bodies of a call hold numbers and transcripts. What is left of them in the
// free pages of the file is not under test: deleting is not overwriting.
func TestBodiesStayOnTheDiskOnlyAsLongAsTheConfigurationSays(t *testing.T) {
	t.Parallel()
	for keep, want := range map[string]bool{"0s": false, "1h": true} {
		cfg := configuration(t.TempDir())
		if keep == "1h" {
			cfg.Store.KeepBodies = 3600e9
		}
		exported(t, cfg, "dtmf_call.cdr.json", nil)
		if bodies := storedBodies(t, cfg); (bodies > 0) != want {
			t.Errorf("keep_bodies %s: %d bodies are in the store", keep, bodies)
		}
	}
}

func TestTheStoreIsReadableByItsOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, configuration(dir), off())
	s.accepted(t, sample(t, "dtmf_call.cdr.json"))
	files, err := filepath.Glob(filepath.Join(dir, "store.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			t.Errorf("%s has mode %v: others may read it", filepath.Base(file), mode)
		}
	}
}
