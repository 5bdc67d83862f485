package backends

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cdr2otel/internal/sample"
)

// scenario is a folder of mapping/testdata: a call, or a conversation, of one kind.
type scenario struct {
	// cdr is nil for a conversation without a call.
	cdr []byte
	// messages come with the call, early ones before it was given up, late ones
	// when it was exported.
	early, messages, late [][]byte
}

// scenarios are all of mapping/testdata, as calls that end now, and each twice more
// with slow answers or a bad line. Each round has other ids.
func scenarios(t testing.TB, round int) (all []scenario) {
	t.Helper()
	dirs, err := filepath.Glob(repoPath("mapping", "testdata", "*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for n, dir := range dirs {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			continue
		}
		suffix := fmt.Sprintf("-%d-%d", round, n)
		all = append(all,
			loadScenario(t, dir, suffix, nil),
			loadScenario(t, dir, suffix+"-slow", slowLine),
			loadScenario(t, dir, suffix+"-dead", deadLine))
	}
	return all
}

var (
	measured = regexp.MustCompile(`"response_milliseconds": *[1-9][0-9]*`)
	jitter   = regexp.MustCompile(`"(average|maximum)_jitter": *[0-9]+`)
	lost     = regexp.MustCompile(`"packets_lost": *0\b`)
)

// slowLine makes each part of an answer, and the line, slow.
func slowLine(cdr []byte) []byte {
	cdr = measured.ReplaceAll(cdr, []byte(`"response_milliseconds": 900`))
	return jitter.ReplaceAll(cdr, []byte(`"${1}_jitter": 45`))
}

// deadLine makes callers believe that nobody is there.
func deadLine(cdr []byte) []byte {
	cdr = measured.ReplaceAll(cdr, []byte(`"response_milliseconds": 3500`))
	return lost.ReplaceAll(cdr, []byte(`"packets_lost": 40`))
}

// identifying are the keys whose values say which call, session or entry it is.
var identifying = regexp.MustCompile(`"(log_id|session_id|global_session_id|sip_call_id|call_id)"(\s*:\s*)"([^"]+)"`)

func loadScenario(t testing.TB, dir, suffix string, edit func([]byte) []byte) (s scenario) {
	t.Helper()
	read := func(pattern string) (bodies [][]byte) {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(paths)
		for _, path := range paths {
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			bodies = append(bodies, identifying.ReplaceAll(body, []byte(`"$1"$2"$3`+suffix+`"`)))
		}
		return bodies
	}
	s.early, s.messages, s.late = read("chat-*.json"), read("message-*.json"), read("late-*.json")
	if cdr := read("cdr.json"); len(cdr) == 1 {
		s.cdr = cdr[0]
		if edit != nil {
			s.cdr = edit(s.cdr)
		}
	}
	shift := time.Since(s.lastInstant())
	for _, bodies := range [][][]byte{s.early, s.messages, s.late} {
		for i := range bodies {
			bodies[i] = sample.Move(bodies[i], shift)
		}
	}
	if s.cdr != nil {
		s.cdr = sample.Move(s.cdr, shift)
	}
	return s
}

var anyInstant = regexp.MustCompile(`"(20[12][0-9]-[^"]+Z)"`)

// lastInstant is when the call ended, or the last message was logged. What is ten
// years off in some scenarios does not count.
func (s scenario) lastInstant() time.Time {
	texts := bytes.Join(slices.Concat([][]byte{s.cdr}, s.early, s.messages, s.late), nil)
	var all []time.Time
	for _, match := range anyInstant.FindAllSubmatch(texts, -1) {
		if at, err := time.Parse(time.RFC3339, string(match[1])); err == nil {
			all = append(all, at)
		}
	}
	if len(all) == 0 {
		return time.Now()
	}
	slices.SortFunc(all, time.Time.Compare)
	// Half of the instants are close to when it happened; the others may be nonsense.
	middle := all[len(all)/2]
	last := middle
	for _, at := range all {
		if at.Sub(middle) < time.Hour && at.After(last) {
			last = at
		}
	}
	return last
}

// prompt are the bodies that come at once, in the order the platform sends them. The
// CDR of a call whose messages were early is not among them.
func (s scenario) prompt() [][]byte {
	bodies := slices.Concat(s.early, s.messages)
	if s.cdr != nil && len(s.early) == 0 {
		bodies = append(bodies, s.cdr)
	}
	return bodies
}

// afterwards are those that come when the others were exported.
func (s scenario) afterwards() [][]byte {
	if s.cdr != nil && len(s.early) > 0 {
		return append(s.late, s.cdr)
	}
	return s.late
}

// refusedBodies are not what the platform sends: malformed, too large, and one of
// which another has the id.
func refusedBodies(t testing.TB, accepted []byte) [][]byte {
	t.Helper()
	changed := bytes.Replace(accepted, []byte(`"milliseconds_elapsed"`), []byte(`"milliseconds_elapsed_not"`), 1)
	if bytes.Equal(changed, accepted) {
		t.Fatal("the record has no milliseconds_elapsed to change")
	}
	return [][]byte{
		[]byte("{"), []byte(`{"event":{"name":"something_new"},"payload":{}}`), changed,
		[]byte(`{"event":{"name":"cdr_logged"},"payload":{"call":"` + strings.Repeat("x", 9<<20) + `"}}`),
	}
}
