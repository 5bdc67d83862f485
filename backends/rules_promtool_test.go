package backends

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestPromtoolAcceptsTheRules(t *testing.T) {
	t.Parallel()
	promtool := toolPath(t, "promtool")
	args := append([]string{"check", "rules", "--lint=all", "--lint-fatal"}, ruleFiles(t)...)
	printed, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	confirmed(t, "promtool accepts %d files of rules", strings.Count(string(printed), "SUCCESS"))
}

func TestAlertsFireWhenTheyShouldAndAreQuietWhenTheyShould(t *testing.T) {
	t.Parallel()
	for _, path := range ruleTestFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			printed, err := exec.CommandContext(t.Context(), toolPath(t, "promtool"), "test", "rules", path).CombinedOutput()
			if err != nil || strings.Contains(string(printed), "WARNING") {
				t.Fatalf("%v\n%s", err, printed)
			}
			confirmed(t, "promtool test rules: %s", filepath.Base(path))
		})
	}
}
