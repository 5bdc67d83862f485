package backends

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cdr2otel/internal/sample"
	"cdr2otel/internal/testenv"
)

// An hour of a busy day, in seconds: two rounds of all scenarios through a sidecar
// whose back end is down at first, requests that are refused, and a second sidecar
// that serves TLS. Then every query is asked for an answer.
func TestDashboardsAndQueriesHaveAnswers(t *testing.T) {
	t.Parallel()
	toolPath(t, "prometheus") // before anything is started
	toolPath(t, "jaeger")
	receiver := testenv.FreeAddress(t)
	pushed := startPrometheus(t, prometheusOptions{})
	env := []string{
		"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT=http://" + receiver,
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=" + pushed.URL + "/api/v1/otlp/v1/metrics", "OTEL_METRIC_EXPORT_INTERVAL=1000",
	}
	e := startExporter(t, exporterOptions{
		Env:    env,
		Source: "resource: {deployment.environment.name: live}\nagents: {97f16ba4-ad94-41af-aa6c-33cd56ad5e7e: front-desk}",
		Config: "correlation: {grace: 500ms, window: 1s, chat_idle: 1s}",
	})
	tls := startTLSExporter(t, env)
	scraped := startPrometheus(t, prometheusOptions{Scrape: []string{e.Admin, tls}})

	// await waits until both have seen it. A counter that is first seen with a value
	// did not increase, so both must see them at 0.
	await := func(promql string) {
		for _, p := range []*prometheusServer{scraped, pushed} {
			p.query(t, promql)
		}
	}
	await("count(wxa_exporter_ready) == 2")
	first := scenarios(t, 1)
	for _, s := range first {
		e.post(t, s.prompt()...)
	}
	await(`wxa_exporter_gate{wxa_reason="unavailable"} == 1`)
	await("sum(wxa_calls_total) > 50")
	await("wxa_exporter_store_overdue_age_seconds > 0")
	j := startJaeger(t, jaegerOptions{HTTPAddress: receiver})
	await(`max(wxa_exporter_gate) == 0 and on () sum(wxa_exporter_ledger_pending) == 0`)

	for _, s := range first {
		e.post(t, s.afterwards()...)
	}
	for _, s := range scenarios(t, 2) {
		e.post(t, s.prompt()...)
	}
	known, err := sample.EndingAt("dtmf_call", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	e.post(t, known...)
	e.post(t, known...) // again: duplicates
	refuse(t, e, known[0])
	await(`increase(wxa_exporter_message_joins_total{wxa_outcome="late"}[1h]) > 0`)
	await(`sum(wxa_exporter_ledger_pending) == 0`)

	for how, p := range map[string]*prometheusServer{"scraped": scraped, "pushed": pushed} {
		t.Run(how+", no panel is empty", func(t *testing.T) { noPanelIsEmpty(t, p, how) })
		t.Run(how+", every variable has values", func(t *testing.T) { variablesHaveValues(t, p) })
		t.Run(how+", exemplars lead to traces", func(t *testing.T) { exemplarsLeadToTraces(t, p, j, how) })
		t.Run(how+", metrics queries of the document", func(t *testing.T) { documentAnswers(t, p, how) })
	}
	t.Run("searches in Jaeger", func(t *testing.T) { searchesFind(t, j) })
}

// refuse posts what is not taken.
func refuse(t testing.TB, e *exporterProcess, accepted []byte) {
	t.Helper()
	for _, body := range refusedBodies(t, accepted) {
		if _, _, err := e.Post(t.Context(), body); err != nil {
			t.Logf("refused: %v", err) // the rest of a body that is too large is not read
		}
	}
	stranger := e.Client
	stranger.Secret = "not the secret"
	status, _, err := stranger.Post(t.Context(), accepted)
	if err != nil || status != http.StatusUnauthorized {
		t.Errorf("a stranger is answered %d, %v", status, err)
	}
}

// startTLSExporter runs a sidecar whose webhook listener has a certificate, and
// returns the address of its admin listener.
func startTLSExporter(t testing.TB, env []string) (admin string) {
	t.Helper()
	binary, err := buildExporter()
	if err != nil {
		t.Fatal(err)
	}
	dir := scratch(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(60 * 24 * time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	admin = testenv.FreeAddress(t)
	files := map[string][]byte{
		"tls.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		"tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		"cdr2otel.yaml": fmt.Appendf(nil, `webhook: {endpoint: %q, tls: {cert_file: tls.crt, key_file: tls.key}}
health: {endpoint: %q}
admin: {endpoint: %q}
store: {url: "sqlite:cdr2otel.db"}
sources: {default: {auth: {jwt: {secrets: [purple unicorn]}}}}
`, testenv.FreeAddress(t), testenv.FreeAddress(t), admin),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sidecar := startProcess(t, dir, binary, []string{"serve", "--config", filepath.Join(dir, "cdr2otel.yaml")}, env)
	sidecar.awaitReady(t, func(ctx context.Context) error {
		_, err := get(ctx, "http://"+admin+"/readyz")
		return err
	})
	return admin
}

// answered says whether a query has a value that is a number.
func answered(ctx context.Context, p *prometheusServer, query string) error {
	result, err := p.queryNow(ctx, query)
	if err != nil {
		return err
	}
	for _, s := range result {
		text, _ := s.Value[1].(string)
		if value, err := strconv.ParseFloat(text, 64); err == nil && value == value { // not NaN
			return nil
		}
	}
	return fmt.Errorf("%d series, none with a number", len(result))
}

// allAnswered waits until each query has an answer.
func allAnswered(t *testing.T, p *prometheusServer, queries []dashboardQuery) {
	t.Helper()
	var seen error // by the last pass that was not cut short
	eventually(t, "every query has an answer", func(ctx context.Context) error {
		var empty []string
		for _, q := range queries {
			if err := answered(ctx, p, q.promql); err != nil {
				empty = append(empty, fmt.Sprintf("%s: %v\n\t%s", q.where, err, q.promql))
			}
		}
		if ctx.Err() != nil {
			return seen
		}
		seen = nil
		if len(empty) > 0 {
			seen = fmt.Errorf("%d of %d have none:\n%s", len(empty), len(queries), strings.Join(empty, "\n"))
		}
		return seen
	})
}

// ofProcess are the metrics of the runtime, which only a scrape has.
var ofProcess = regexp.MustCompile(`\b(process|go)_[a-z_]+`)

func noPanelIsEmpty(t *testing.T, p *prometheusServer, how string) {
	queries := slices.DeleteFunc(dashboardQueries(t), func(q dashboardQuery) bool {
		return strings.Contains(q.where, ": variable ") || how == "pushed" && ofProcess.MatchString(q.promql)
	})
	allAnswered(t, p, queries)
	confirmed(t, "with %s metrics no panel and no annotation of the dashboards is empty (%d queries)", how, len(queries))
}

// documentAnswers asks the PromQL of docs/queries.md.
func documentAnswers(t *testing.T, p *prometheusServer, how string) {
	var queries []dashboardQuery
	for _, b := range queryBlocks(t, "promql") {
		for _, query := range b.lines() {
			queries = append(queries, dashboardQuery{b.question, query})
		}
	}
	allAnswered(t, p, queries)
	confirmed(t, "%d PromQL queries of docs/queries.md have an answer from %s metrics", len(queries), how)
}

// variablesHaveValues asks what fills the filters, and reads the answers with their
// regular expressions as Grafana does.
func variablesHaveValues(t *testing.T, p *prometheusServer) {
	for _, d := range dashboardFiles(t) {
		for _, v := range d.Templating.List {
			if v.Type != "query" {
				continue
			}
			selector, label := variableQuery(t, v.Definition)
			var values []string
			for _, s := range p.query(t, promQL(t, d, selector, "1m", "1h")) {
				if label != "" {
					values = append(values, s.Labels[label])
					continue
				}
				if m := regexp.MustCompile(strings.ReplaceAll(strings.Trim(v.Regex, "/"), "(?<", "(?P<")).FindStringSubmatch(asGrafanaWrites(s)); m != nil {
					values = append(values, m[1]+"="+m[2])
				}
			}
			slices.Sort(values)
			values = slices.DeleteFunc(slices.Compact(values), func(s string) bool { return s == "" })
			if len(values) == 0 {
				t.Errorf("%s: $%s has no values", d.UID, v.Name)
			}
			if v.Name == "assistant" && !slices.Contains(values, "97f16ba4-ad94-41af-aa6c-33cd56ad5e7e=front-desk") {
				t.Errorf("%s: assistants are %v, none of them by its name", d.UID, values)
			}
		}
	}
}

// asGrafanaWrites is a series as query_result shows it: name{label="value",…} value.
func asGrafanaWrites(s series) string {
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
		labels = append(labels, name+`="`+s.Labels[name]+`"`)
	}
	return "{" + strings.Join(labels, ",") + "} " + fmt.Sprint(s.Value[1])
}

func exemplarsLeadToTraces(t *testing.T, p *prometheusServer, j *jaegerServer, how string) {
	n := 0
	for _, d := range dashboardFiles(t) {
		for _, panel := range d.Panels {
			for _, q := range panel.Targets {
				if !q.Exemplar {
					continue
				}
				n++
				eventually(t, panel.Title+" has an exemplar whose span is in Jaeger", func(ctx context.Context) error {
					found, err := p.exemplars(ctx, promQL(t, d, q.Expr, "1m", "1h"))
					if err != nil || len(found) == 0 {
						return fmt.Errorf("%d exemplars, error %v", len(found), err)
					}
					return inJaeger(ctx, j, found[len(found)-1])
				})
			}
		}
	}
	confirmed(t, "%d histogram queries of dashboards have exemplars of %s metrics whose span is in Jaeger", n, how)
}

// inJaeger says whether Jaeger has the span that was measured.
func inJaeger(ctx context.Context, j *jaegerServer, e exemplar) error {
	trace, err := j.find(ctx, e.Labels["trace_id"])
	if err != nil {
		return err
	}
	if span := e.Labels["span_id"]; !slices.Contains(trace.ids(), span) {
		return fmt.Errorf("trace %s has no span %q", trace.ID, span)
	}
	return nil
}

// logfmt takes "key=value key=value" apart.
func logfmt(text string) map[string]string {
	tags := map[string]string{}
	for _, pair := range strings.Fields(text) {
		key, value, _ := strings.Cut(pair, "=")
		tags[key] = value
	}
	return tags
}

// dataURLEncode is a parameter of curl -G.
var dataURLEncode = regexp.MustCompile(`--data-urlencode (?:'([^=]+)=([^']*)'|([^= ]+)=(\S+))`)

// searchesFind asks Jaeger what the document and the panels ask.
func searchesFind(t *testing.T, j *jaegerServer) {
	find := func(what string, parameters url.Values) {
		eventually(t, "Jaeger finds "+what, func(ctx context.Context) error {
			var answer struct {
				Data []jaegerTrace `json:"data"`
			}
			err := getJSON(ctx, j.Query, "/api/traces", parameters, &answer)
			if err == nil && len(answer.Data) == 0 {
				err = fmt.Errorf("it finds nothing")
			}
			return err
		})
	}
	var searches []string
	for _, b := range queryBlocks(t, "jaeger") {
		searches = append(searches, b.lines()...)
	}
	for _, d := range dashboardFiles(t) {
		_, tags := exploreQueries(t, d)
		searches = append(searches, tags...)
	}
	for _, search := range searches {
		tags, err := json.Marshal(logfmt(search))
		if err != nil {
			t.Fatal(err)
		}
		find(search, url.Values{"service": {"watsonx-assistant"}, "tags": {string(tags)}, "lookback": {"1h"}, "limit": {"20"}})
	}
	confirmed(t, "Jaeger finds calls for each of %d searches by tags", len(searches))
	for _, b := range queryBlocks(t, "sh") {
		parameters := url.Values{}
		for _, m := range dataURLEncode.FindAllStringSubmatch(b.text, -1) {
			parameters.Set(m[1]+m[3], m[2]+m[4])
		}
		if len(parameters) < 4 {
			t.Fatalf("%s: %s has the parameters %v", b.question, b.text, parameters)
		}
		find(strings.ReplaceAll(b.text, "\n", " "), parameters)
	}
}
