package storetest

import "testing"

// Run runs the suite against an engine.
func Run(t *testing.T, factory Factory) {
	for _, group := range []map[string]func(*testing.T, Factory){
		recordTests, recordLateTests, recordDeadTests, recordHistoryTests, observationTests, interleavedTests, forgetTests,
		acceptTests, callTests, conversationTests, lateTests, claimTests, outboxTests, deadTests, historyTests, spaceTests, waitingTests, answeredTests,
		viewTests, viewFilterTests, viewTraceTests, viewCallTests,
	} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, factory)
			})
		}
	}
}
