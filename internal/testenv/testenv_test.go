package testenv

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

const absent = "no-program-has-this-name"

// childEnv makes TestAProgramThatIsNotThere the test that lacks a program.
const childEnv = "CDR2OTEL_TEST_LACKS_A_PROGRAM"

func TestAProgramThatIsNotThere(t *testing.T) {
	if os.Getenv(childEnv) != "" {
		Program(t, absent, "how to get it")
		t.Error("the test goes on without the program")
		return
	}
	t.Parallel()
	const sentence = absent + " is not installed (how to get it)"
	for _, tt := range []struct{ services, ends string }{
		{"", "--- SKIP"},
		{"0", "--- SKIP"},
		{"1", "--- FAIL"},
	} {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAProgramThatIsNotThere$", "-test.v")
		child.Env = append(os.Environ(), childEnv+"=1", ServicesEnv+"="+tt.services)
		out, err := child.CombinedOutput()
		if failed := err != nil; failed != (tt.ends == "--- FAIL") || !strings.Contains(string(out), tt.ends) || !strings.Contains(string(out), sentence) {
			t.Errorf("%s=%s: %v, want %s and %q:\n%s", ServicesEnv, tt.services, err, tt.ends, sentence, out)
		}
	}
}

func TestRoundsAreFewUnlessTheEnvironmentSaysOtherwise(t *testing.T) {
	for text, want := range map[string]int{"": 3, "1": 1, "300": 300} {
		t.Setenv(Kills, text)
		if got := Rounds(t, Kills, 3); got != want {
			t.Errorf("%s=%q: %d rounds, want %d", Kills, text, got, want)
		}
	}
}
