package backends

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What follows reads the JSON files as Grafana does, not the Go they come from:
// a file that someone edited by hand is held to the same.

// dashboardFile is what the tests need of a dashboard's JSON.
type dashboardFile struct {
	path string

	UID           string     `json:"uid"`
	Title         string     `json:"title"`
	Tags          []string   `json:"tags"`
	SchemaVersion int        `json:"schemaVersion"`
	Panels        []filePane `json:"panels"`
	Links         []struct {
		Type string   `json:"type"`
		Tags []string `json:"tags"`
	} `json:"links"`
	Templating struct {
		List []fileVariable `json:"list"`
	} `json:"templating"`
	Annotations struct {
		List []struct {
			Name       string     `json:"name"`
			Datasource fileSource `json:"datasource"`
			BuiltIn    int        `json:"builtIn"`
			Expr       string     `json:"expr"`
		} `json:"list"`
	} `json:"annotations"`
}

// filePane is a panel or a row.
type filePane struct {
	ID          int        `json:"id"`
	Type        string     `json:"type"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Datasource  fileSource `json:"datasource"`
	GridPos     struct{ X, Y, W, H int }
	Targets     []fileTarget `json:"targets"`
	Links       []struct {
		Title, URL string
	} `json:"links"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
		Overrides []struct {
			Matcher struct {
				ID      string `json:"id"`
				Options string `json:"options"`
			} `json:"matcher"`
		} `json:"overrides"`
	} `json:"fieldConfig"`
}

type fileTarget struct {
	RefID        string     `json:"refId"`
	Datasource   fileSource `json:"datasource"`
	Expr         string     `json:"expr"`
	LegendFormat string     `json:"legendFormat"`
	Instant      bool       `json:"instant"`
	Exemplar     bool       `json:"exemplar"`
}

type fileSource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type fileVariable struct {
	Name       string     `json:"name"`
	Label      string     `json:"label"`
	Type       string     `json:"type"`
	Datasource fileSource `json:"datasource"`
	AllValue   string     `json:"allValue"`
	Definition string     `json:"definition"`
	Regex      string     `json:"regex"`
	// Query is a plugin's name, a list of values or the query as an object.
	Query json.RawMessage `json:"query"`
}

func dashboardFiles(t testing.TB) (all []dashboardFile) {
	t.Helper()
	paths, err := filepath.Glob(repoPath("collector-config", "grafana", "dashboards", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) != len(dashboards()) {
		t.Fatalf("%d dashboard files, %d are described", len(paths), len(dashboards()))
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d := dashboardFile{path: path}
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, d)
	}
	return all
}

// eachPanel runs check for every panel that is no row.
func eachPanel(t *testing.T, check func(t *testing.T, d dashboardFile, p filePane)) {
	t.Helper()
	for _, d := range dashboardFiles(t) {
		for _, p := range d.Panels {
			if p.Type != "row" {
				t.Run(d.UID+"/"+p.Title, func(t *testing.T) { check(t, d, p) })
			}
		}
	}
}

func TestDashboardsCanBeProvisionedAndLinkToEachOther(t *testing.T) {
	t.Parallel()
	for _, d := range dashboardFiles(t) {
		if want := "cdr2otel-" + strings.TrimSuffix(filepath.Base(d.path), ".json"); d.UID != want {
			t.Errorf("%s: uid %q, want %q", d.path, d.UID, want)
		}
		if d.SchemaVersion < 39 {
			t.Errorf("%s: schema version %d is of a Grafana before 11", d.UID, d.SchemaVersion)
		}
		if len(d.Links) != 1 || len(d.Tags) != 1 || d.Links[0].Type != "dashboards" || d.Links[0].Tags[0] != d.Tags[0] {
			t.Errorf("%s: tags %v and links %v don't lead to the others", d.UID, d.Tags, d.Links)
		}
	}
}

func TestDashboardPanelsCoverTheGridWithoutOverlapsAndHoles(t *testing.T) {
	t.Parallel()
	for _, d := range dashboardFiles(t) {
		ids := map[int]string{}
		taken := map[[2]int]string{}
		bottom := 0
		for _, p := range d.Panels {
			if other, double := ids[p.ID]; double || p.ID == 0 {
				t.Errorf("%s: panel %q has id %d, as %q", d.UID, p.Title, p.ID, other)
			}
			ids[p.ID] = p.Title
			g := p.GridPos
			if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
				t.Errorf("%s: panel %q has the place %+v", d.UID, p.Title, g)
				continue
			}
			bottom = max(bottom, g.Y+g.H)
			for x := g.X; x < g.X+g.W; x++ {
				for y := g.Y; y < g.Y+g.H; y++ {
					if other, double := taken[[2]int{x, y}]; double {
						t.Fatalf("%s: panels %q and %q overlap", d.UID, other, p.Title)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
		if len(taken) != 24*bottom {
			t.Errorf("%s: %d of %d fields of the grid are empty", d.UID, 24*bottom-len(taken), 24*bottom)
		}
	}
}

func TestEveryPanelSaysWhatItShows(t *testing.T) {
	t.Parallel()
	eachPanel(t, func(t *testing.T, d dashboardFile, p filePane) {
		if p.Title == "" || len(p.Description) < 60 || !strings.ContainsAny(p.Description[len(p.Description)-1:], ".?") {
			t.Errorf("its description is %q", p.Description)
		}
		if p.FieldConfig.Defaults.Unit == "" {
			t.Error("it has no unit")
		}
		if len(p.Targets) == 0 {
			t.Error("it has no query")
		}
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if refs[q.RefID] || q.RefID == "" {
				t.Errorf("its queries share the refId %q", q.RefID)
			}
			refs[q.RefID] = true
			if q.LegendFormat == "" {
				t.Errorf("%s has no legend", q.Expr)
			}
		}
	})
}

// Whoever copies a dashboard has other data sources than we do.
func TestEveryQueryAsksTheDataSourceThatIsChosen(t *testing.T) {
	t.Parallel()
	chosen := fileSource{"prometheus", "${datasource}"}
	for _, d := range dashboardFiles(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				if p.Datasource != chosen || q.Datasource != chosen {
					t.Errorf("%s: panel %q asks %v and %v", d.UID, p.Title, p.Datasource, q.Datasource)
				}
			}
		}
		for _, a := range d.Annotations.List {
			if a.BuiltIn == 0 && a.Datasource != chosen {
				t.Errorf("%s: annotation %q asks %v", d.UID, a.Name, a.Datasource)
			}
		}
		for _, v := range d.Templating.List {
			if v.Type == "query" && v.Datasource != chosen {
				t.Errorf("%s: variable %q asks %v", d.UID, v.Name, v.Datasource)
			}
		}
	}
}

// A variable that nothing uses does not filter, and one that does not exist stays in
// the query as text.
func TestDashboardsUseTheirVariablesAndNoOthers(t *testing.T) {
	t.Parallel()
	for _, d := range dashboardFiles(t) {
		var text strings.Builder
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				fmt.Fprintln(&text, q.Expr)
			}
			for _, l := range p.Links {
				fmt.Fprintln(&text, l.URL)
			}
		}
		for _, a := range d.Annotations.List {
			fmt.Fprintln(&text, a.Expr)
		}
		known := map[string]bool{"datasource": true}
		for _, v := range d.Templating.List {
			known[v.Name] = true
			if v.Type == "query" {
				fmt.Fprintln(&text, v.Definition)
			}
		}
		used := map[string]bool{"datasource": true}
		for _, match := range variableUse.FindAllStringSubmatch(text.String(), -1) {
			name := match[1]
			if strings.HasPrefix(name, "__") {
				continue // Grafana's own
			}
			used[name] = true
			if !known[name] {
				t.Errorf("%s: nothing defines $%s", d.UID, name)
			}
		}
		for name := range known {
			// On the page about cdr2otel itself no panel leads to a trace.
			if !used[name] && (d.UID != "cdr2otel-exporter" || name == "source") {
				t.Errorf("%s: nothing uses $%s", d.UID, name)
			}
		}
	}
}

// Red says that something is wrong: no palette may hand it out by chance, and a
// panel's styles must name series that its queries have.
func TestColoursAreChosenNotDealt(t *testing.T) {
	t.Parallel()
	for _, d := range dashboards() {
		for _, p := range d.all() {
			if mode := p.colour()["mode"]; mode == "palette-classic" {
				t.Errorf("%s: panel %q has a palette with red in it", d.Title, p.Title)
			}
			for _, s := range p.Styles {
				found := false
				for _, q := range p.Targets {
					found = found || q.Legend == s.Legend || strings.Contains(q.Legend, "{{")
				}
				if !found {
					t.Errorf("%s: panel %q has a style for %q, which is no series of it", d.Title, p.Title, s.Legend)
				}
			}
		}
	}
}
