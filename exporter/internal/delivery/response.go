package delivery

import (
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Media types of OTLP/HTTP, and the one that is registered for protobuf.
const (
	mediaProtobuf   = "application/x-protobuf"
	mediaRegistered = "application/protobuf"
	mediaJSON       = "application/json"
)

// response is an Export…ServiceResponse. Those of all signals have the same shape in
// protobuf; in JSON what was rejected has a name of its own.
type response = coltracepb.ExportTraceServiceResponse

// jsonResponses make the response of each signal, to read it from JSON.
var jsonResponses = map[string]func() proto.Message{
	SignalTraces:  func() proto.Message { return &response{} },
	SignalLogs:    func() proto.Message { return &collogspb.ExportLogsServiceResponse{} },
	SignalMetrics: func() proto.Message { return &colmetricspb.ExportMetricsServiceResponse{} },
}

// readResponse reads the body of a 2xx; ok says that an OTLP receiver wrote it. Many
// answer with an empty body, some in JSON what was asked in protobuf.
func readResponse(signal, media string, body []byte) (r *response, ok bool) {
	switch {
	case len(body) == 0:
		return &response{}, true
	case media == mediaProtobuf, media == mediaRegistered, media == "":
		return readProtobuf(body)
	case media == mediaJSON:
		return readJSON(signal, body)
	}
	return nil, false
}

func readProtobuf(body []byte) (*response, bool) {
	r := &response{}
	if err := proto.Unmarshal(body, r); err != nil {
		return nil, false
	}
	return r, isResponse(r)
}

// isResponse reports whether a response has nothing that is foreign: text, or a
// google.rpc.Status, can be read as fields that are not known. Beside a partial_success
// they are those of a later version of the protocol.
func isResponse(r *response) bool {
	return r.PartialSuccess != nil || len(r.ProtoReflect().GetUnknown()) == 0
}

// readJSON has the same rule: {"error": …} is no response.
func readJSON(signal string, body []byte) (*response, bool) {
	m := jsonResponses[signal]()
	strict := protojson.Unmarshal(body, m) == nil
	if !strict {
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, m); err != nil {
			return nil, false
		}
	}
	encoded, err := proto.Marshal(m)
	if err != nil {
		return nil, false
	}
	r := &response{}
	if err := proto.Unmarshal(encoded, r); err != nil {
		return nil, false
	}
	return r, strict || r.PartialSuccess != nil
}
