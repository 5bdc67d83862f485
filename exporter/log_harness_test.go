package exporter_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"cdr2otel/exporter"
)

// logged are options whose log goes to the buffer, one JSON object a line.
func logged(opts exporter.Options) (exporter.Options, *buffer) {
	log := &buffer{}
	opts.Logger = slog.New(slog.NewJSONHandler(log, nil))
	return opts, log
}

// loggedLine is the one line of the log with a message, without its time and level.
func loggedLine(t *testing.T, log *buffer, message string) map[string]any {
	t.Helper()
	var found []map[string]any
	for text := range strings.Lines(log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(text), &fields); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if fields["msg"] == message {
			delete(fields, "time")
			delete(fields, "level")
			delete(fields, "msg")
			found = append(found, fields)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%q is there %d times in\n%s", message, len(found), log)
	}
	return found[0]
}
