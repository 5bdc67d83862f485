package backends

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"cdr2otel/internal/testenv"
)

// jaegerServer is a running Jaeger.
type jaegerServer struct {
	*process
	// GRPC and HTTP are URLs of its OTLP receivers, Query of its API.
	GRPC, HTTP, Query string
}

// jaegerOptions say how Jaeger is run.
type jaegerOptions struct {
	// HTTPAddress of its OTLP receiver for HTTP; "" is a free one.
	HTTPAddress string
	// Prometheus is the URL of the one that has its span metrics.
	Prometheus string
}

// startJaeger runs Jaeger with collector-config/jaeger.yaml.
func startJaeger(t testing.TB, o jaegerOptions) *jaegerServer {
	t.Helper()
	binary := toolPath(t, "jaeger")
	if o.HTTPAddress == "" {
		o.HTTPAddress = testenv.FreeAddress(t)
	}
	if o.Prometheus == "" {
		o.Prometheus = "http://" + testenv.FreeAddress(t) // nobody is there
	}
	grpc, query, health := testenv.FreeAddress(t), testenv.FreeAddress(t), testenv.FreeAddress(t)
	j := &jaegerServer{GRPC: "http://" + grpc, HTTP: "http://" + o.HTTPAddress, Query: "http://" + query}
	j.process = startProcess(t, scratch(t), binary, []string{"--config", repoPath("collector-config", "jaeger.yaml")}, []string{
		"JAEGER_OTLP_GRPC_ENDPOINT=" + grpc,
		"JAEGER_OTLP_HTTP_ENDPOINT=" + o.HTTPAddress,
		"JAEGER_QUERY_ENDPOINT=" + query,
		"JAEGER_QUERY_GRPC_ENDPOINT=" + testenv.FreeAddress(t),
		"JAEGER_HEALTH_ENDPOINT=" + health,
		"PROMETHEUS_URL=" + o.Prometheus,
	})
	j.awaitReady(t, func(ctx context.Context) error {
		if _, err := get(ctx, "http://"+health+"/status"); err != nil {
			return err
		}
		_, err := get(ctx, j.Query+"/api/services")
		return err
	})
	return j
}

// jaegerTrace is a trace as Jaeger's query API shows it.
type jaegerTrace struct {
	ID        string       `json:"traceID"`
	Spans     []jaegerSpan `json:"spans"`
	Warnings  []string     `json:"warnings"`
	Processes map[string]struct {
		Service string `json:"serviceName"`
	} `json:"processes"`
}

type jaegerSpan struct {
	ID         string `json:"spanID"`
	Name       string `json:"operationName"`
	References []struct {
		Type  string `json:"refType"`
		Trace string `json:"traceID"`
		Span  string `json:"spanID"`
	} `json:"references"`
	Tags []struct {
		Key   string `json:"key"`
		Value any    `json:"value"`
	} `json:"tags"`
	Warnings []string `json:"warnings"`
}

// tag is the value of an attribute, nil if the span has none of that key.
func (s jaegerSpan) tag(key string) any {
	for _, tag := range s.Tags {
		if tag.Key == key {
			return tag.Value
		}
	}
	return nil
}

// ids are the ids of the spans, in order.
func (t jaegerTrace) ids() []string {
	var ids []string
	for _, span := range t.Spans {
		ids = append(ids, span.ID)
	}
	slices.Sort(ids)
	return ids
}

// complaints are all warnings and missing parents.
func (t jaegerTrace) complaints() []string {
	complaints := slices.Clone(t.Warnings)
	ids := t.ids()
	for _, span := range t.Spans {
		for _, warning := range span.Warnings {
			complaints = append(complaints, fmt.Sprintf("span %q: %s", span.Name, warning))
		}
		for _, reference := range span.References {
			if reference.Type == "CHILD_OF" && !slices.Contains(ids, reference.Span) {
				complaints = append(complaints, fmt.Sprintf("span %q: its parent %s is not in the trace", span.Name, reference.Span))
			}
		}
	}
	return complaints
}

// find returns the trace with that id. Jaeger's answer is 404 while it has none.
func (j *jaegerServer) find(ctx context.Context, id string) (jaegerTrace, error) {
	var answer struct {
		Data []jaegerTrace `json:"data"`
	}
	if err := getJSON(ctx, j.Query, "/api/traces/"+id, nil, &answer); err != nil {
		return jaegerTrace{}, err
	}
	if len(answer.Data) != 1 {
		return jaegerTrace{}, fmt.Errorf("%d traces for the id %s", len(answer.Data), id)
	}
	return answer.Data[0], nil
}

// trace returns the trace with that id once it has at least that many spans.
func (j *jaegerServer) trace(t testing.TB, id string, spans int) (found jaegerTrace) {
	t.Helper()
	eventually(t, "Jaeger has trace "+id, func(ctx context.Context) (err error) {
		found, err = j.find(ctx, id)
		if err == nil && len(found.Spans) < spans {
			err = fmt.Errorf("it has %d of %d spans", len(found.Spans), spans)
		}
		return err
	})
	return found
}

// search returns the ids of the traces of a service that have a span with all of
// the attributes and began within the last two hours.
func (j *jaegerServer) search(t testing.TB, service string, attributes map[string]string) []string {
	t.Helper()
	tags, err := json.Marshal(attributes)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Data []jaegerTrace `json:"data"`
	}
	now := time.Now()
	err = getJSON(t.Context(), j.Query, "/api/traces", url.Values{
		"service": {service},
		"tags":    {string(tags)},
		"start":   {fmt.Sprint(now.Add(-2 * time.Hour).UnixMicro())},
		"end":     {fmt.Sprint(now.UnixMicro())},
		"limit":   {"100"},
	}, &answer)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, trace := range answer.Data {
		ids = append(ids, trace.ID)
	}
	slices.Sort(ids)
	return ids
}

// monitors fails unless the Monitor page has a call rate of the service.
func (j *jaegerServer) monitors(ctx context.Context, service string) error {
	var answer struct {
		Metrics []struct {
			Points []struct {
				Value struct {
					Number any `json:"doubleValue"`
				} `json:"gaugeValue"`
			} `json:"metricPoints"`
		} `json:"metrics"`
	}
	err := getJSON(ctx, j.Query, "/api/metrics/calls", url.Values{
		"service":          {service},
		"ratePer":          {"60000"},
		"step":             {"1000"},
		"lookback":         {"60000"},
		"endTs":            {fmt.Sprint(time.Now().UnixMilli())},
		"spanKind":         {"server"},
		"quantile":         {"0.95"},
		"groupByOperation": {"true"},
	}, &answer)
	if err == nil && (len(answer.Metrics) == 0 || len(answer.Metrics[0].Points) == 0) {
		err = fmt.Errorf("no rate: %+v", answer)
	}
	return err
}
