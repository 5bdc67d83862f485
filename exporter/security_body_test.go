package exporter_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// hostile is a body with good credentials and the status it must get.
type hostile struct {
	name   string
	body   []byte
	coding string
	want   int
}

func TestHostileBodiesGetTheirAnswerInBoundedMemory(t *testing.T) {
	f := newFlooded(t)
	before := f.most()
	stream := f.stream()
	var stored int64
	for _, h := range hostileBodies(t) {
		f.tried.Add(1)
		lines := f.credentials()
		if h.coding != "" {
			lines += line("Content-Encoding", h.coding)
		}
		began, sent := time.Now(), stream.count.Load()
		got := say(t, f.address, post("/webhook/default", lines, string(h.body)))
		if got.status != h.want {
			t.Errorf("%s: status %d, want %d: %.80s", h.name, got.status, h.want, got.body)
		}
		if strings.Contains(got.body, "canary") {
			t.Errorf("%s: the answer repeats the body: %.80s", h.name, got.body)
		}
		if got.status == http.StatusOK {
			stored++
		}
		if took := time.Since(began); took > patience {
			t.Errorf("%s: took %v", h.name, took)
		}
		stream.awaitMore(sent + 1)
	}
	f.conclude(stream, "hostile bodies", stored, before)
}

func hostileBodies(t testing.TB) []hostile {
	t.Helper()
	size := 7 << 20 // below the limit of 8 MiB
	if raceEnabled {
		size = 1 << 20
	}
	in := func(name, payload string) []byte {
		return []byte(`{"event":{"name":"` + name + `"},"payload":` + payload + `}`)
	}
	cdr := func(id, rest string) []byte { return in("cdr_logged", `{"global_session_id":"`+id+`"`+rest+`}`) }
	fill := func(piece string) string { return strings.Repeat(piece, size/len(piece)) }
	numbered := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	turns := func(turn string) string {
		return `,"assistant_interaction_summaries":[{"turns":[` + numbered(turn) + `]}]`
	}
	good := cdr("bomb", "")
	zeros := bytes.Repeat([]byte(" "), 48<<20)
	bomb := squeeze(t, zeros)
	return []hostile{
		{"deep lists", in("cdr_logged", fill("[")), "", 400},
		{"deep objects", in("cdr_logged", fill(`{"a":`)), "", 400},
		{"deep and closed, as deep as is taken", in("cdr_logged", `{"a":`+strings.Repeat("[", 9990)+strings.Repeat("]", 9990)+`}`), "", 200},
		{"deep and closed, too deep", in("cdr_logged", strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)), "", 400},
		{"a message that is a deep list", in("message_logged", strings.Repeat("[", 9000)+strings.Repeat("]", 9000)), "", 200},
		{"a number of millions of digits", cdr("digits", `,"a":`+fill("9")), "", 200},
		{"a fraction of millions of digits", cdr("fraction", `,"a":0.`+fill("3")), "", 200},
		{"an exponent of millions of digits", cdr("exponent", `,"a":1e`+fill("9")), "", 200},
		{"huge numbers where small ones belong", cdr("huge", `,"call":{"milliseconds_elapsed":1e308,"start_timestamp":-9e99},"assistant_interaction_summaries":[{"turns":[{"assistant":{"response_milliseconds":99999999999999999999999}}]}]`), "", 200},
		{"a million small numbers", cdr("numbers", `,"a":[`+numbered("%d,")+`]`), "", 200},
		{"a million names", cdr("names", `,"a":{`+numbered(`"n%d":0,`)+`}`), "", 200},
		{"a million equal names", cdr("equal", strings.Repeat(`,"a":0`, size/6)), "", 200},
		{"a name of megabytes", cdr("name", `,"`+fill("canary")+`":0`), "", 200},
		{"a text of megabytes", cdr("text", `,"a":"`+fill("canary")+`"`), "", 200},
		{"a text of escapes", cdr("escapes", `,"a":"`+fill(`\u0000`)+`"`), "", 200},
		{"a text of half surrogates", cdr("surrogates", `,"a":"`+fill(`\ud800`)+`"`), "", 200},
		{"bytes that are no UTF-8", cdr("utf8", `,"a":"`+fill("\xff\xfe")+`"`), "", 200},
		{"an id of megabytes", cdr(fill("canary"), ""), "", 200},
		{"an event name of megabytes", in(fill("canary"), "{}"), "", 200},
		{"turns that name a million logs", cdr("logs", turns(`{"assistant":{"log_id":"l%d"}},`)), "", 200},
		{"turns without end", cdr("turns", turns(`{"a":%d},`)), "", 200},
		{"warnings without end", cdr("warnings", `,"warnings_and_errors":[`+numbered(`{"id":"W%d","message":"canary"},`)+`]`), "", 200},
		{"responses without end", cdr("responses", `,"assistant_interaction_summaries":[{"turns":[{"response":[`+numbered(`{"type":"text","i":%d},`)+`]}]}]`), "", 200},
		{"white space alone", bytes.Repeat([]byte(" "), size), "", 400},
		{"white space around", append(bytes.Repeat([]byte("\n"), size), cdr("space", "")...), "", 200},
		{"no end", in("cdr_logged", `{"a":"canary`), "", 400},
		{"two values", append(cdr("two", ""), cdr("two", "")...), "", 400},
		{"UTF-16", []byte("\xff\xfe{\x00}\x00"), "", 400},
		{"XML", []byte(`<!DOCTYPE a [<!ENTITY x "canary">]><a>&x;</a>`), "", 400},
		{"a form", []byte("payload=%7B%7D&canary=1"), "", 400},
		{"nothing", nil, "", 400},
		{"above the limit", bytes.Repeat([]byte("x"), 9<<20), "", 413},

		{"gzip", squeeze(t, good), "gzip", 200},
		{"a bomb of 48 MB", bomb, "gzip", 413},
		{"a bomb in a bomb", squeeze(t, bomb), "gzip", 400},
		{"a bomb in a bomb that says so", squeeze(t, bomb), "gzip, gzip", 415},
		{"ten thousand empty members", bytes.Repeat(squeeze(t, nil), 10_000), "gzip", 400},
		{"a member after a bomb", append(squeeze(t, good), bomb...), "gzip", 413},
		{"gzip cut short", squeeze(t, good)[:20], "gzip", 400},
		{"gzip and junk", append(squeeze(t, good), "canary"...), "gzip", 400},
		{"not gzip", good, "gzip", 400},
		{"gzip that does not say so", squeeze(t, good), "", 400},
		{"deflate", good, "deflate", 415},
		{"br", good, "br", 415},
		{"zstd", good, "zstd", 415},
		{"aws-chunked", good, "aws-chunked", 415},
	}
}

func squeeze(t testing.TB, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
