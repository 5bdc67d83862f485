package testenv

import (
	"os"
	"strconv"
	"testing"
)

// What repeats for confidence does a few rounds in "go test ./..." and its many in a
// make target, which sets one of these.
const (
	// Kills is how often SIGKILL ends the sidecar: make crash.
	Kills = "CDR2OTEL_TEST_KILLS"
	// ChaosCalls is how many calls three replicas take while they and their database
	// are killed: make chaos.
	ChaosCalls = "CDR2OTEL_TEST_CHAOS_CALLS"
	// Interleavings is how many orders of events each property test of them tries: make
	// interleavings.
	Interleavings = "CDR2OTEL_TEST_INTERLEAVINGS"
	// PowerLosses is how often the power fails: make disk.
	PowerLosses = "CDR2OTEL_TEST_POWER_LOSSES"
	// FaultStep n lets every n-th operation of the disk fail, so 1 is most: make disk.
	FaultStep = "CDR2OTEL_TEST_FAULT_STEP"
)

// Rounds returns the number in the environment variable, or few where it is not set.
// Anything but a number from 1 fails the test.
func Rounds(t testing.TB, variable string, few int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: want a number from 1", variable, text)
	}
	return n
}
