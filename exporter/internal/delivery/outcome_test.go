package delivery

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
)

// The table of docs/architecture.md, written down a second time. The keys are what is
// named there; everything else is "anything else".
var (
	grpcTable = map[codes.Code]class{
		codes.OK:                taken,
		codes.Canceled:          away,
		codes.DeadlineExceeded:  away,
		codes.Aborted:           away,
		codes.OutOfRange:        away,
		codes.Unavailable:       away,
		codes.DataLoss:          away,
		codes.ResourceExhausted: tooLarge, // away with RetryInfo
		codes.Unauthenticated:   barred,
		codes.PermissionDenied:  barred,
		codes.Unimplemented:     misplaced,
		codes.InvalidArgument:   invalid,
	}
	httpTable = map[int]class{
		429: away, 502: away, 503: away, 504: away,
		401: barred, 403: barred,
		404: misplaced, 405: misplaced, 501: misplaced,
		413: tooLarge,
		400: invalid, 422: invalid,
	}
)

func wantGRPC(code codes.Code, retryInfo bool) class {
	if code == codes.ResourceExhausted && retryInfo {
		return away
	}
	return grpcTable[code] // unclear when not named
}

func wantHTTP(status int) class {
	if c, ok := httpTable[status]; ok {
		return c
	}
	switch status / 100 {
	case 2:
		return taken
	case 3:
		return misplaced
	default:
		return unclear
	}
}

// want is what follows from a row for a request that was never tried before.
func want(c class, a Answer) outcome {
	held := awayReason(a)
	switch c {
	case taken:
		return outcome{Verdict: VerdictDone, Gate: gateOpen}
	case away:
		return outcome{Verdict: VerdictHold, Gate: gateHold, Held: held, After: a.RetryAfter}
	case barred:
		return outcome{Verdict: VerdictHold, Gate: gateAlarm, Held: HeldCredentials, After: a.RetryAfter}
	case misplaced:
		return outcome{Verdict: VerdictHold, Gate: gateAlarm, Held: HeldMisconfigured, After: a.RetryAfter}
	case tooLarge:
		return outcome{Verdict: VerdictSplit, Gate: gateOpen}
	case invalid:
		return outcome{Verdict: VerdictDead, Reason: DeadInvalid, Gate: gateOpen}
	case unencodable:
		return outcome{Verdict: VerdictDead, Reason: DeadEncoding}
	default:
		return outcome{Verdict: VerdictRetry, Gate: gateHold, Held: HeldFailing, After: a.RetryAfter}
	}
}

var first = history{MaxAttempts: 5}

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
				if diff := cmp.Diff(want(wantHTTP(status), a), outcomeOf(a, first)); diff != "" {
					t.Errorf("%d, Retry-After %v, partial success %v: %s", status, retryAfter, partial, diff)
				}
			}
		}
	}
}

func TestWhatIsNoAnswerOfAnOTLPReceiverIsNeverDelivered(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer Answer
		want   outcome
	}{
		"nothing came back":            {Answer{}, outcome{Verdict: VerdictHold, Gate: gateHold, Held: HeldUnavailable}},
		"a web page said 200":          {Answer{Origin: FromHTTP, Status: http.StatusOK, Page: true}, outcome{Verdict: VerdictHold, Gate: gateAlarm, Held: HeldMisconfigured}},
		"our own bytes are unreadable": {Answer{Origin: Unencodable}, outcome{Verdict: VerdictDead, Reason: DeadEncoding, Gate: gateKeep}},
		"printed":                      {Answer{Origin: Written}, outcome{Verdict: VerdictDone, Gate: gateOpen}},
	} {
		if diff := cmp.Diff(c.want, outcomeOf(c.answer, first)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAnUnclearErrorIsADeadLetterOnlyAfterEnoughAttemptsAndWhenOthersWentThrough(t *testing.T) {
	t.Parallel()
	for _, a := range []Answer{
		{Origin: FromGRPC, Code: codes.Internal},
		{Origin: FromGRPC, Code: codes.Unknown},
		{Origin: FromHTTP, Status: 500},
		{Origin: FromGRPC, Code: codes.ResourceExhausted}, // can't be split, see below
		{Origin: FromHTTP, Status: 413},
	} {
		for attempts := range 10 {
			for _, passed := range []bool{false, true} {
				h := history{Attempts: attempts, MaxAttempts: 5, Passed: passed, Unsplittable: true}
				got := outcomeOf(a, h)
				reason := DeadFailing
				if classOf(a) == tooLarge {
					reason = DeadTooLarge
				}
				want := outcome{Verdict: VerdictRetry, Gate: gateHold, Held: HeldFailing}
				if passed && attempts >= 4 {
					want = outcome{Verdict: VerdictDead, Reason: reason, Gate: gateKeep}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s, %d attempts before, others passed %t: %s", fmt.Sprint(a), attempts, passed, diff)
				}
			}
		}
	}
}
