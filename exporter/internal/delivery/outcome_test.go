package delivery

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
)

// The table of the documents, written down a second time. The keys are what is named
// there; everything else is "anything else".
var (
	grpcTable = map[codes.Code]class{
		codes.OK:                taken,
		codes.Canceled:          away,
		codes.DeadlineExceeded:  away,
		codes.Aborted:           away,
		codes.OutOfRange:        away,
		codes.Unavailable:       away,
		codes.DataLoss:          away,
		codes.ResourceExhausted: throttled,
		codes.Unauthenticated:   barred,
		codes.PermissionDenied:  barred,
		codes.Unimplemented:     misplaced,
		codes.InvalidArgument:   invalid,
	}
	httpTable = map[int]class{
		429: throttled,
		408: away, 502: away, 503: away, 504: away,
		401: barred, 403: barred, 407: barred,
		404: misplaced, 405: misplaced, 415: misplaced, 501: misplaced,
		413: tooLarge,
		400: invalid, 422: invalid,
	}
)

func wantGRPC(code codes.Code, retryInfo bool) class {
	c := grpcTable[code] // unclear when not named
	if c == away && retryInfo {
		return throttled
	}
	return c
}

func wantHTTP(status int, retryAfter bool) class {
	c, ok := httpTable[status]
	switch {
	case c == away && retryAfter:
		return throttled
	case ok:
		return c
	case status/100 == 2:
		return taken
	case status/100 == 3:
		return misplaced
	default:
		return unclear
	}
}

// want is what follows from a row for a request that was never tried before.
func want(c class, a Answer) outcome {
	switch c {
	case taken:
		return outcome{Verdict: VerdictDone, Gate: gateOpen}
	case away:
		return outcome{Verdict: VerdictHold, Gate: gateClose, Held: HeldUnavailable, After: a.RetryAfter}
	case throttled:
		return outcome{Verdict: VerdictHold, Gate: gateClose, Held: HeldThrottled, After: a.RetryAfter}
	case barred:
		return outcome{Verdict: VerdictHold, Gate: gateClose, Held: HeldCredentials, Alarm: true, After: a.RetryAfter}
	case misplaced:
		return outcome{Verdict: VerdictHold, Gate: gateClose, Held: HeldMisconfigured, Alarm: true, After: a.RetryAfter}
	case tooLarge:
		return outcome{Verdict: VerdictSplit}
	case invalid:
		return outcome{Verdict: VerdictRetry, Gate: gateDoubt, Held: HeldMisconfigured, Alarm: true, After: a.RetryAfter, Aside: true}
	case unencodable:
		return outcome{Verdict: VerdictDead, Reason: DeadEncoding}
	default:
		return outcome{Verdict: VerdictRetry, Gate: gateDoubt, Held: HeldFailing, After: a.RetryAfter, Aside: true}
	}
}

var first = history{MaxAttempts: 5, Size: 1 << 20, Whole: true, Splittable: true}

func TestEveryCodeWithAndWithoutRetryInfoAndPartialSuccessHasTheOutcomeOfTheTable(t *testing.T) {
	t.Parallel()
	for code := codes.Code(0); code <= 18; code++ { // 17 and 18 are not assigned
		for _, retryInfo := range []bool{false, true} {
			for _, partial := range []*Partial{nil, {}, {Rejected: 2, Message: "no"}} {
				a := Answer{Origin: FromGRPC, Code: code, RetryInfo: retryInfo, Partial: partial}
				if retryInfo {
					a.RetryAfter = 3 * time.Second
				}
				if diff := cmp.Diff(want(wantGRPC(code, retryInfo), a), outcomeOf(a, first)); diff != "" {
					t.Errorf("%v, RetryInfo %t, partial success %v: %s", code, retryInfo, partial, diff)
				}
			}
		}
	}
}

func TestEveryStatusWithAndWithoutRetryAfterAndPartialSuccessHasTheOutcomeOfTheTable(t *testing.T) {
	t.Parallel()
	for status := 100; status < 600; status++ {
		for _, retryAfter := range []time.Duration{0, 3 * time.Second} {
			for _, partial := range []*Partial{nil, {}, {Rejected: 2, Message: "no"}} {
				a := Answer{Origin: FromHTTP, Status: status, RetryInfo: retryAfter > 0, RetryAfter: retryAfter, Partial: partial}
				if diff := cmp.Diff(want(wantHTTP(status, retryAfter > 0), a), outcomeOf(a, first)); diff != "" {
					t.Errorf("%d, Retry-After %v, partial success %v: %s", status, retryAfter, partial, diff)
				}
			}
		}
	}
}

func TestWhatIsNoAnswerOfAnOTLPReceiverIsNeverDelivered(t *testing.T) {
	t.Parallel()
	held := outcome{Verdict: VerdictHold, Gate: gateClose, Held: HeldMisconfigured, Alarm: true}
	for name, c := range map[string]struct {
		answer Answer
		want   outcome
	}{
		"nothing came back":                   {Answer{}, outcome{Verdict: VerdictHold, Gate: gateClose, Held: HeldUnavailable}},
		"a web page said 200":                 {Answer{Origin: FromHTTP, Status: http.StatusOK, Foreign: true}, held},
		"OK over gRPC, but no response of it": {Answer{Origin: FromGRPC, Foreign: true}, held},
		"our own bytes are unreadable":        {Answer{Origin: Unencodable}, outcome{Verdict: VerdictDead, Reason: DeadEncoding, Gate: gateKeep}},
		"printed":                             {Answer{Origin: Written}, outcome{Verdict: VerdictDone, Gate: gateOpen}},
	} {
		if diff := cmp.Diff(c.want, outcomeOf(c.answer, first)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// The words are those of real servers, as they reach us.
func TestTooLargeIsToldFromOverloadedByTheWords(t *testing.T) {
	t.Parallel()
	const small, big = smallRequest, smallRequest + 1
	grpc := func(c codes.Code, text string) Answer {
		return Answer{Origin: FromGRPC, Code: c, Detail: c.String() + ": " + text}
	}
	plain := func(status int, text string) Answer {
		return Answer{Origin: FromHTTP, Status: status, Detail: fmt.Sprintf("%d %s: %s", status, http.StatusText(status), text)}
	}
	for name, c := range map[string]struct {
		answer Answer
		size   int
		want   class
	}{
		"grpc-go":                    {grpc(codes.ResourceExhausted, "grpc: received message larger than max (6117815 vs. 4194304)"), big, tooLarge},
		"grpc-go, compressed":        {grpc(codes.ResourceExhausted, "grpc: received message after decompression larger than max (4331797 vs. 4194304)"), big, tooLarge},
		"grpc-java":                  {grpc(codes.ResourceExhausted, "gRPC message exceeds maximum size 4194304: 5000000"), big, tooLarge},
		"grpc-dotnet":                {grpc(codes.ResourceExhausted, "Received message exceeds the maximum configured message size."), big, tooLarge},
		"gRPC's C core":              {grpc(codes.ResourceExhausted, "CLIENT: Received message larger than max (9609716 vs. 4194304)"), big, tooLarge},
		"tonic":                      {grpc(codes.OutOfRange, "Error, decoded message length too large: found 9933716 bytes, the limit is: 4194304 bytes"), big, tooLarge},
		"tonic, a low limit":         {grpc(codes.OutOfRange, "Error, decoded message length too large: found 9000 bytes, the limit is: 4096 bytes"), small, tooLarge},
		"nginx before gRPC":          {grpc(codes.Unknown, `unexpected HTTP status code received from server: 413 (Request Entity Too Large); transport: received unexpected content-type "text/html"`), big, tooLarge},
		"nginx":                      {plain(413, "<html><head><title>413 Request Entity Too Large</title></head>"), small, tooLarge},
		"nothing but 413":            {Answer{Origin: FromHTTP, Status: 413}, small, tooLarge},
		"a Collector's limit":        {plain(400, "http: request body too large"), big, tooLarge},
		"a Collector before another": {plain(500, "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (5000000 vs. 4194304)"), big, tooLarge},
		"Kafka behind a Collector":   {grpc(codes.Unavailable, "kafka server: Message was too large, server rejected it to avoid allocation error"), big, tooLarge},
		"Tempo, its burst":           {grpc(codes.ResourceExhausted, "RATE_LIMITED: batch size (966953 bytes) exceeds ingestion limit (local: 50000 bytes, global: 500000 bytes)"), big, tooLarge},

		"overloaded":                     {grpc(codes.ResourceExhausted, "too many requests"), big, throttled},
		"overloaded, without a word":     {grpc(codes.ResourceExhausted, ""), big, throttled},
		"small, whatever the text says":  {grpc(codes.ResourceExhausted, "grpc: received message larger than max"), small, throttled},
		"Tempo, its rate":                {grpc(codes.ResourceExhausted, "RATE_LIMITED: ingestion rate limit (local: 15000000 bytes, global: 0 bytes) exceeded while adding 137994 bytes for user x"), big, throttled},
		"asks to wait, whatever it says": {Answer{Origin: FromGRPC, Code: codes.ResourceExhausted, RetryInfo: true, Detail: "ResourceExhausted: message too large"}, big, throttled},
		"a full queue":                   {grpc(codes.Unavailable, "sending queue is full"), big, away},
		"a Collector's memory":           {grpc(codes.Unavailable, "data refused due to high memory usage"), big, away},
		"out of range of something else": {grpc(codes.OutOfRange, "timestamp is in the future"), big, away},
		"a port without gRPC":            {grpc(codes.Unavailable, "connection error: desc = \"error reading server preface: http2: failed reading the frame payload: http2: frame too large, note that the frame header looked like an HTTP/1.1 header\""), big, away},
		"headers, not the body":          {Answer{Origin: FromHTTP, Status: 431, Detail: "431 Request Header Fields Too Large: "}, big, unclear},
		"a trace that grew too large":    {grpc(codes.FailedPrecondition, "TRACE_TOO_LARGE: max size of trace (5000000) exceeded while adding 55431 bytes to trace ab for tenant x"), big, unclear},
		"an attribute, not the request":  {grpc(codes.InvalidArgument, "attribute value too large"), big, invalid},
	} {
		if got := classOf(c.answer, c.size); got != c.want {
			t.Errorf("%s: class %d, want %d", name, got, c.want)
		}
	}
}

// A refusal that may be the request's fault or the destination's.
func TestARequestIsGivenUpOnlyAfterOthersWentThroughAndIsSplitFirstWhenTheReasonIsUnclear(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answer     Answer
		limit      int
		reason     string
		held       string
		alarm      bool
		splitFirst bool
	}{
		{Answer{Origin: FromGRPC, Code: codes.Internal}, 5, DeadFailing, HeldFailing, false, true},
		{Answer{Origin: FromGRPC, Code: codes.Unknown}, 5, DeadFailing, HeldFailing, false, true},
		{Answer{Origin: FromHTTP, Status: 500}, 5, DeadFailing, HeldFailing, false, true},
		{Answer{Origin: FromHTTP, Status: 400}, 2, DeadInvalid, HeldMisconfigured, true, false},
		{Answer{Origin: FromHTTP, Status: 422}, 2, DeadInvalid, HeldMisconfigured, true, false},
		{Answer{Origin: FromGRPC, Code: codes.InvalidArgument}, 2, DeadInvalid, HeldMisconfigured, true, false},
	} {
		for attempts := range 10 {
			for _, others := range []struct{ passed, suspect bool }{{}, {suspect: true}, {passed: true, suspect: true}} {
				for _, whole := range []bool{false, true} {
					h := history{Attempts: attempts, MaxAttempts: 5, Passed: others.passed, Suspect: others.suspect, Whole: whole, Splittable: true, Size: 1000}
					want := outcome{Verdict: VerdictHold, Gate: gateDoubt, Held: c.held, Alarm: c.alarm}
					if others.suspect { // the gate stays as it is
						want = outcome{Verdict: VerdictHold, Aside: true}
					}
					switch enough := others.passed && attempts+1 >= c.limit; {
					case enough && whole && c.splitFirst:
						want = outcome{Verdict: VerdictSplit}
					case enough:
						want = outcome{Verdict: VerdictDead, Reason: c.reason}
					case others.passed || attempts == 0:
						want.Verdict, want.Aside = VerdictRetry, true
					}
					if diff := cmp.Diff(want, outcomeOf(c.answer, h)); diff != "" {
						t.Errorf("%s, %d attempts before, others %+v, whole %t: %s", fmt.Sprint(c.answer), attempts, others, whole, diff)
					}
				}
			}
		}
	}
	for _, a := range []Answer{{Origin: FromHTTP, Status: 413}, {Origin: FromHTTP, Status: 400, Detail: "request body too large"}} {
		got := outcomeOf(a, history{Attempts: 1, MaxAttempts: 5, Passed: true, Whole: true})
		if diff := cmp.Diff(outcome{Verdict: VerdictDead, Reason: DeadTooLarge}, got); diff != "" {
			t.Errorf("%v, which can't be split: %s", a, diff)
		}
	}
}

func TestWhatAnyRequestWouldBeToldHoldsTheGateUnlessOthersWentThroughAndIsNeverGivenUp(t *testing.T) {
	t.Parallel()
	for _, a := range []Answer{
		{},
		{Origin: FromGRPC, Code: codes.Unavailable},
		{Origin: FromGRPC, Code: codes.OutOfRange},
		{Origin: FromGRPC, Code: codes.ResourceExhausted},
		{Origin: FromHTTP, Status: 403},
		{Origin: FromHTTP, Status: 404},
		{Origin: FromHTTP, Status: 502},
	} {
		h := history{Attempts: 100, MaxAttempts: 5, Whole: true, Splittable: true, Size: 1000}
		if o := outcomeOf(a, h); o.Verdict != VerdictHold || o.Gate != gateClose || o.Aside {
			t.Errorf("%v: %+v, want it held, and the gate closed", a, o)
		}
		h.Suspect = true
		if o := outcomeOf(a, h); o.Verdict != VerdictHold || o.Gate != gateKeep || !o.Aside {
			t.Errorf("%v, others went through: %+v, want it set aside", a, o)
		}
		a.RetryInfo, a.RetryAfter = true, time.Minute
		if o := outcomeOf(a, h); o.Verdict != VerdictHold || o.Gate != gateClose || !o.Aside {
			t.Errorf("%v, others went through: %+v, want it set aside, and all to wait", a, o)
		}
	}
}
