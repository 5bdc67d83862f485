package backends

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write collector-config/grafana/dashboards from the dashboards of the tests")

func dashboards() []dashboard {
	return []dashboard{callsDashboard(), voiceDashboard(), exporterDashboard()}
}

// The file people copy is the JSON; what is edited is dashboards_*_test.go.
func TestTheDashboardFilesAreWrittenFromTheirDescription(t *testing.T) {
	t.Parallel()
	for _, d := range dashboards() {
		want, err := d.json()
		if err != nil {
			t.Fatal(err)
		}
		path := repoPath("collector-config", "grafana", "dashboards", d.File+".json")
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s.json differs from its description: go test ./backends -run Dashboard -update writes it", d.File)
		}
	}
}
