package mapping

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// logsRequest is a request of the given number of records with content of a size.
func logsRequest(t testing.TB, records, content int) *collogspb.ExportLogsServiceRequest {
	t.Helper()
	mapper, err := New(Config{Source: "default", Content: true})
	if err != nil {
		t.Fatal(err)
	}
	b := mapper.newRecorder(TraceID{1}, records, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	for i := range records {
		from := b.mark()
		b.messageAttributes(&Message{LogID: strings.Repeat("l", 8)}, messageTimes{}, b.said(&Message{Input: strings.Repeat("x", content)}, false), new(clock))
		span := SpanID{byte(i + 1)}
		b.event(&tracepb.Span{SpanId: span[:]}, eventMessage, int64(i), from)
	}
	return b.logs(mapper.observed(nil), "1.2.3")
}

func encodeLogs(t testing.TB, req *collogspb.ExportLogsServiceRequest) []byte {
	t.Helper()
	encoded, err := EncodeLogs(req)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func parseLogs(t testing.TB, encoded []byte) *collogspb.ExportLogsServiceRequest {
	t.Helper()
	req := new(collogspb.ExportLogsServiceRequest)
	if err := proto.Unmarshal(encoded, req); err != nil {
		t.Fatal(err)
	}
	return req
}

func TestSplitLogsKeepsEveryRecordOnceUnderTheLimit(t *testing.T) {
	t.Parallel()
	whole := logsRequest(t, 40, 500)
	encoded := encodeLogs(t, whole)
	if got := CountLogRecords(encoded); got != 40 {
		t.Errorf("CountLogRecords = %d", got)
	}
	const limit = 5000
	parts, err := SplitLogs(encoded, limit)
	if err != nil {
		t.Fatal(err)
	}
	var records []*logspb.LogRecord
	for _, part := range parts {
		if len(part) > limit {
			t.Errorf("a part of %d bytes", len(part))
		}
		req := parseLogs(t, part)
		if diff := cmp.Diff(whole.ResourceLogs[0].Resource, req.ResourceLogs[0].Resource, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
		records = append(records, req.ResourceLogs[0].ScopeLogs[0].LogRecords...)
	}
	if diff := cmp.Diff(whole.ResourceLogs[0].ScopeLogs[0].LogRecords, records, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if same, err := SplitLogs(encoded, len(encoded)); err != nil || len(same) != 1 {
		t.Errorf("what fits became %d parts, %v", len(same), err)
	}
}

func TestARecordThatIsTooLargeLosesItsContentFirst(t *testing.T) {
	t.Parallel()
	whole := logsRequest(t, 1, 10_000)
	parts, err := SplitLogs(encodeLogs(t, whole), 2000)
	if err != nil {
		t.Fatal(err)
	}
	want := proto.Clone(whole.ResourceLogs[0].ScopeLogs[0].LogRecords[0]).(*logspb.LogRecord)
	want.Attributes, _ = withoutContent(want.Attributes)
	want.DroppedAttributesCount = 1
	want.Attributes = append(want.Attributes, &commonpb.KeyValue{Key: attrTruncated, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}})
	got := parseLogs(t, parts[0]).ResourceLogs[0].ScopeLogs[0].LogRecords
	if diff := cmp.Diff([]*logspb.LogRecord{want}, got, protocmp.Transform()); diff != "" || len(parts) != 1 {
		t.Errorf("%d parts\n%s", len(parts), diff)
	}
	if _, err := SplitLogs(encodeLogs(t, whole), 100); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a record without content is over the limit: %v", err)
	}
	if _, err := SplitLogs([]byte("no protobuf"), 4); err == nil {
		t.Error("no request is split")
	}
	if got := CountLogRecords([]byte("no protobuf")); got != 0 {
		t.Errorf("%d records in no request", got)
	}
}
