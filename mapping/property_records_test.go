package mapping_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"cdr2otel/mapping"
)

// observed are the observations that the two sides of a message log, or what else a
// payload has, would have been.
func observed(payload []byte, at time.Time) (observations []mapping.ObservationInput) {
	bodies := [][]byte{payload}
	var sides map[string]json.RawMessage
	if json.Unmarshal(payload, &sides) == nil {
		bodies = append(bodies, sides["request"], sides["response"])
	}
	for _, body := range bodies {
		for _, name := range []string{mapping.ObservedReceived, mapping.ObservedProcessed} {
			if o, err := mapping.DecodeObservation(name, body, true); err == nil {
				observations = append(observations, mapping.ObservationInput{Observation: o, ReceivedAt: at})
			}
		}
	}
	return observations
}

// recordEverything makes the records of a message and of what was observed of it
// with all that a store can know of its call.
func recordEverything(mapper *mapping.Mapper, call *mapping.Trace, logged mapping.MessageInput) error {
	root := call.Root
	for _, parent := range []mapping.SpanRef{{}, {TraceID: root.TraceID}, root} {
		for _, named := range []bool{false, true} {
			records := mapper.Record(mapping.RecordInput{
				MessageInput: logged, Parent: parent, Named: named, CallID: "call", Segment: logged.Message.LogID,
			})
			if err := brokenRecords(records.Request, records.TraceID, nil); err != nil {
				return err
			}
			if !parent.SpanID.IsZero() && (records.SpanID != parent.SpanID || records.TraceID != parent.TraceID) {
				return fmt.Errorf("%v %v, and the store has %v", records.TraceID, records.SpanID, parent)
			}
		}
	}
	return nil
}

// logMapper makes log records of everything, with what was said.
func logMapper(t testing.TB) *mapping.Mapper {
	t.Helper()
	mapper, err := mapping.New(mapping.Config{Source: "default", Events: mapping.EventsBoth, Content: true})
	if err != nil {
		t.Fatal(err)
	}
	return mapper
}
