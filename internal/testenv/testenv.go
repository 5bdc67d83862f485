// Package testenv is what tests ask of the machine they run on: services and programs
// that may be missing. And how many rounds they repeat: see rounds.go.
package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// ServicesEnv set to 1 makes a test fail when a service that it needs is missing.
// Otherwise such a test is skipped.
const ServicesEnv = "CDR2OTEL_TEST_REQUIRE_SERVICES"

// Missing skips the test, or fails it where ServicesEnv is 1. The sentence says what
// is missing and how to get it. t is the caller's own, never that of the test around
// it, and the call comes before anything else the test does.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	sentence := fmt.Sprintf(format, args...)
	if os.Getenv(ServicesEnv) == "1" {
		t.Fatalf("%s (%s is 1: a missing service is a failure)", sentence, ServicesEnv)
	}
	t.Skip(sentence)
}

// Program returns the path of a program in PATH. Without it the test ends as Missing
// says. source is how to get it, as in "Debian: apt-get install strace".
func Program(t testing.TB, name, source string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, "%s is not installed (%s)", name, source)
	}
	return path
}

// Linux skips the test on other systems, whatever ServicesEnv says: no service is
// missing there.
func Linux(t testing.TB, why string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("runs on Linux only: " + why)
	}
}
