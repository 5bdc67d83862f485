package backends

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// block is one fenced block of docs/queries.md.
type block struct {
	question, language, text string
}

// lines of a block that hold a query each.
func (b block) lines() []string { return strings.Split(strings.TrimSpace(b.text), "\n") }

// queryBlocks are the blocks of docs/queries.md; language "" is all.
func queryBlocks(t testing.TB, language string) (blocks []block) {
	t.Helper()
	text, err := os.ReadFile(repoPath("docs", "queries.md"))
	if err != nil {
		t.Fatal(err)
	}
	question := ""
	var open *block
	for _, l := range strings.Split(string(text), "\n") {
		switch {
		case open == nil && strings.HasPrefix(l, "```"):
			open = &block{question: question, language: strings.TrimPrefix(l, "```")}
		case open != nil && l == "```":
			if language == "" || open.language == language {
				blocks = append(blocks, *open)
			}
			open = nil
		case open != nil:
			open.text += l + "\n"
		case strings.HasPrefix(l, "## "):
			question = strings.TrimPrefix(l, "## ")
		}
	}
	if len(blocks) == 0 {
		t.Fatalf("docs/queries.md has no block of %q", language)
	}
	return blocks
}

func TestTheQueriesDocumentIsWrittenInLanguagesThatAreTested(t *testing.T) {
	t.Parallel()
	for _, b := range queryBlocks(t, "") {
		if !slices.Contains([]string{"promql", "traceql", "logql", "jaeger", "sh", "console"}, b.language) {
			t.Errorf("%s: a block in %q, which no test reads", b.question, b.language)
		}
	}
}

func TestTraceQLOfTheDocumentIsWellFormedAndNamesAttributesWeHave(t *testing.T) {
	t.Parallel()
	types := attributeTypes(t)
	n := 0
	for _, b := range queryBlocks(t, "traceql") {
		for _, query := range b.lines() {
			n++
			if err := checkTraceQL(query, types); err != nil {
				t.Errorf("%s: %s: %v", b.question, query, err)
			}
		}
	}
	confirmed(t, "%d TraceQL queries of docs/queries.md name attributes that spans have, compared by their type", n)
}

func TestTheIDsOfTheQueriesDocumentAreThoseOfTheCommand(t *testing.T) {
	t.Parallel()
	binary, err := buildExporter()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range queryBlocks(t, "console") {
		for _, session := range strings.Split(b.text, "$ cdr2otel ")[1:] {
			command, want, _ := strings.Cut(session, "\n")
			got, err := exec.CommandContext(t.Context(), binary, strings.Fields(command)...).Output()
			if err != nil || string(got) != want {
				t.Errorf("cdr2otel %s prints\n%s%v\nnot\n%s", command, got, err, want)
			}
		}
	}
}

// exploreQuery is what the address of a panel's link asks.
type exploreQuery struct {
	Query string `json:"query"`
	Tags  string `json:"tags"`
}

// exploreQueries are the searches that a dashboard's panels lead to.
func exploreQueries(t testing.TB, d dashboardFile) (traceQL, tags []string) {
	t.Helper()
	for _, p := range d.Panels {
		for _, l := range p.Links {
			address, err := url.Parse(l.URL)
			if err != nil {
				t.Fatal(err)
			}
			var panes map[string]struct {
				Datasource string         `json:"datasource"`
				Queries    []exploreQuery `json:"queries"`
				Range      struct{ From, To string }
			}
			if err := json.Unmarshal([]byte(address.Query().Get("panes")), &panes); err != nil {
				t.Fatalf("%s: %s: %v", p.Title, l.Title, err)
			}
			for _, pane := range panes {
				if pane.Range.From != "${__from}" || pane.Range.To != "${__to}" || len(pane.Queries) != 1 {
					t.Errorf("%s: %s asks %+v", p.Title, l.Title, pane)
				}
				switch pane.Datasource {
				case "${tempo}":
					traceQL = append(traceQL, pane.Queries[0].Query)
				case "${jaeger}":
					tags = append(tags, pane.Queries[0].Tags)
				default:
					t.Errorf("%s: %s asks %q", p.Title, l.Title, pane.Datasource)
				}
			}
		}
	}
	return traceQL, tags
}

func TestPanelsLeadToSearchesThatAreWellFormed(t *testing.T) {
	t.Parallel()
	types := attributeTypes(t)
	n := 0
	for _, d := range dashboardFiles(t) {
		queries, _ := exploreQueries(t, d)
		for _, query := range queries {
			n++
			if err := checkTraceQL(query, types); err != nil {
				t.Errorf("%s: %s: %v", d.UID, query, err)
			}
		}
	}
	confirmed(t, "%d panels lead to TraceQL searches for attributes that spans have", n)
}
