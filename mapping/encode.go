package mapping

import (
	"fmt"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// MaxRequest is the size in bytes of an encoded request above which it is split:
// half a mebibyte under the 4 MiB that gRPC receivers accept unless configured
// otherwise.
const MaxRequest = 3584 << 10

// Encode returns the protobuf of a request. Equal requests give equal bytes
// (I3): OTLP has no maps, and what protobuf still leaves open is pinned.
func Encode(req *coltracepb.ExportTraceServiceRequest) ([]byte, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode trace request: %w", err)
	}
	return b, nil
}

// EncodeLogs is Encode for log records.
func EncodeLogs(req *collogspb.ExportLogsServiceRequest) ([]byte, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode logs request: %w", err)
	}
	return b, nil
}
