package backends

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Grafana ignores keys that it does not know, and so would hide a misspelt one. These
// are the keys that its documentation has for what we provision.

type provisionedSources struct {
	APIVersion  int                 `yaml:"apiVersion"`
	Datasources []provisionedSource `yaml:"datasources"`
}

type provisionedSource struct {
	Name      string    `yaml:"name"`
	UID       string    `yaml:"uid"`
	Type      string    `yaml:"type"`
	Access    string    `yaml:"access"`
	URL       string    `yaml:"url"`
	IsDefault bool      `yaml:"isDefault"`
	JSONData  yaml.Node `yaml:"jsonData"`
}

// uidOf is a reference to another data source.
type uidOf struct {
	DatasourceUID string `yaml:"datasourceUid"`
}

type prometheusSettings struct {
	HTTPMethod     string `yaml:"httpMethod"`
	PrometheusType string `yaml:"prometheusType"`
	TimeInterval   string `yaml:"timeInterval"`
	Exemplars      []struct {
		Name            string `yaml:"name"`
		DatasourceUID   string `yaml:"datasourceUid"`
		URLDisplayLabel string `yaml:"urlDisplayLabel"`
	} `yaml:"exemplarTraceIdDestinations"`
}

type traceSettings struct {
	NodeGraph struct {
		Enabled bool `yaml:"enabled"`
	} `yaml:"nodeGraph"`
	SpanBar struct {
		Type string `yaml:"type"`
	} `yaml:"spanBar"`
	TracesToMetrics struct {
		DatasourceUID      string `yaml:"datasourceUid"`
		SpanStartTimeShift string `yaml:"spanStartTimeShift"`
		SpanEndTimeShift   string `yaml:"spanEndTimeShift"`
		Tags               []tag  `yaml:"tags"`
		Queries            []struct {
			Name  string `yaml:"name"`
			Query string `yaml:"query"`
		} `yaml:"queries"`
	} `yaml:"tracesToMetrics"`
	TracesToLogs struct {
		DatasourceUID      string `yaml:"datasourceUid"`
		SpanStartTimeShift string `yaml:"spanStartTimeShift"`
		SpanEndTimeShift   string `yaml:"spanEndTimeShift"`
		FilterByTraceID    bool   `yaml:"filterByTraceID"`
		FilterBySpanID     bool   `yaml:"filterBySpanID"`
		Tags               []tag  `yaml:"tags"`
	} `yaml:"tracesToLogsV2"`
}

type tag struct {
	Key   string `yaml:"key"`
	Value string `yaml:"value"`
}

type tempoSettings struct {
	traceSettings `yaml:",inline"`
	TraceQuery    struct {
		TimeShiftEnabled bool `yaml:"timeShiftEnabled"`
	} `yaml:"traceQuery"`
	Search struct {
		Hide bool `yaml:"hide"`
	} `yaml:"search"`
	ServiceMap uidOf `yaml:"serviceMap"`
}

type jaegerSettings struct {
	traceSettings     `yaml:",inline"`
	TraceIDTimeParams struct {
		Enabled bool `yaml:"enabled"`
	} `yaml:"traceIdTimeParams"`
}

type lokiSettings struct {
	DerivedFields []struct {
		Name            string `yaml:"name"`
		MatcherType     string `yaml:"matcherType"`
		MatcherRegex    string `yaml:"matcherRegex"`
		DatasourceUID   string `yaml:"datasourceUid"`
		URL             string `yaml:"url"`
		URLDisplayLabel string `yaml:"urlDisplayLabel"`
	} `yaml:"derivedFields"`
}

// strictYAML decodes a provisioning file; a key that v does not have is an error.
func strictYAML(t testing.TB, text []byte, v any) {
	t.Helper()
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(v); err != nil {
		t.Fatal(err)
	}
}

func grafanaFile(t testing.TB, elements ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(repoPath(append([]string{"collector-config", "grafana"}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// settings are the jsonData of the data source of a type.
func (p provisionedSources) settings(t testing.TB, kind string, v any) {
	t.Helper()
	for _, s := range p.Datasources {
		if s.Type == kind {
			text, err := yaml.Marshal(&s.JSONData)
			if err != nil {
				t.Fatal(err)
			}
			strictYAML(t, text, v)
			return
		}
	}
	t.Fatalf("no data source of type %s", kind)
}

func dataSources(t testing.TB) (p provisionedSources) {
	t.Helper()
	strictYAML(t, grafanaFile(t, "provisioning", "datasources", "cdr2otel.yaml"), &p)
	return p
}

func TestGrafanaDataSourcesLeadToEachOther(t *testing.T) {
	t.Parallel()
	p := dataSources(t)
	var prometheus prometheusSettings
	var tempo tempoSettings
	var jaeger jaegerSettings
	var loki lokiSettings
	p.settings(t, "prometheus", &prometheus)
	p.settings(t, "tempo", &tempo)
	p.settings(t, "jaeger", &jaeger)
	p.settings(t, "loki", &loki)

	uids := map[string]string{}
	defaults := 0
	for _, s := range p.Datasources {
		if uids[s.UID] != "" || s.UID == "" || s.Access != "proxy" || s.URL == "" {
			t.Errorf("data source %q: uid %q, access %q, url %q", s.Name, s.UID, s.Access, s.URL)
		}
		uids[s.UID] = s.Type
		if s.IsDefault {
			defaults++
		}
	}
	if defaults != 1 || p.APIVersion != 1 {
		t.Errorf("%d default data sources, apiVersion %d", defaults, p.APIVersion)
	}
	leadsTo := func(from, uid, want string) {
		if uids[uid] != want {
			t.Errorf("%s leads to %q, which is %q, not %s", from, uid, uids[uid], want)
		}
	}
	var traces []string
	for _, e := range prometheus.Exemplars {
		if e.Name != "trace_id" {
			t.Errorf("exemplars have the label trace_id, not %q", e.Name)
		}
		traces = append(traces, uids[e.DatasourceUID])
	}
	if !slices.Equal(traces, []string{"tempo", "jaeger"}) {
		t.Errorf("exemplars lead to %v", traces)
	}
	leadsTo("Tempo's service map", tempo.ServiceMap.DatasourceUID, "prometheus")
	for from, s := range map[string]traceSettings{"Tempo": tempo.traceSettings, "Jaeger": jaeger.traceSettings} {
		leadsTo(from+", metrics", s.TracesToMetrics.DatasourceUID, "prometheus")
		leadsTo(from+", logs", s.TracesToLogs.DatasourceUID, "loki")
		if !s.TracesToLogs.FilterByTraceID || len(s.TracesToLogs.Tags) == 0 {
			t.Errorf("%s: logs of a span are %+v", from, s.TracesToLogs)
		}
	}
	for _, f := range loki.DerivedFields {
		leadsTo("Loki's "+f.Name, f.DatasourceUID, "tempo")
		if f.URL != "$${__value.raw}" {
			t.Errorf("Loki's %s has the url %q", f.Name, f.URL)
		}
		pattern, err := regexp.Compile(f.MatcherRegex)
		if err != nil {
			t.Fatal(err)
		}
		const id = "4eae7c9761713ed777ee4e9598579fac"
		for _, line := range []string{"trace_id=" + id, `"trace_id":"` + id + `"`, `{"traceId": "` + id + `"}`} {
			if m := pattern.FindStringSubmatch(line); f.MatcherType == "" && (m == nil || m[1] != id) {
				t.Errorf("Loki's %s finds no trace id in %s", f.Name, line)
			}
		}
		if f.MatcherType == "label" && !pattern.MatchString("trace_id") {
			t.Errorf("Loki's %s is not of the label trace_id", f.Name)
		}
	}
}

func TestGrafanaFindsTheDashboards(t *testing.T) {
	t.Parallel()
	var p struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name                  string `yaml:"name"`
			Type                  string `yaml:"type"`
			Folder                string `yaml:"folder"`
			FolderUID             string `yaml:"folderUid"`
			AllowUIUpdates        bool   `yaml:"allowUiUpdates"`
			DisableDeletion       bool   `yaml:"disableDeletion"`
			UpdateIntervalSeconds int    `yaml:"updateIntervalSeconds"`
			Options               struct {
				Path                      string `yaml:"path"`
				FoldersFromFilesStructure bool   `yaml:"foldersFromFilesStructure"`
			} `yaml:"options"`
		} `yaml:"providers"`
	}
	strictYAML(t, grafanaFile(t, "provisioning", "dashboards", "cdr2otel.yaml"), &p)
	if p.APIVersion != 1 || len(p.Providers) != 1 || p.Providers[0].Type != "file" || !strings.HasPrefix(p.Providers[0].Options.Path, "/") {
		t.Errorf("%+v", p)
	}
}
