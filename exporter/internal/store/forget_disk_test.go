package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// grams are pieces of what was stored about a person, cut at every gramSize bytes:
// whatever is twice as long and left anywhere holds one of them.
type grams map[[gramSize]byte]string

const gramSize = 16

func (g grams) add(what string, stored []byte) {
	for ; len(stored) >= gramSize; stored = stored[gramSize:] {
		g[[gramSize]byte(stored)] = what
	}
}

// in tells which of the files of a store hold how many pieces of what.
func (g grams) in(t *testing.T, path string) map[string]int {
	t.Helper()
	left := make(map[string]int)
	var begins [1 << 16]bool // the map is asked for one in many places only
	for gram := range g {
		begins[binary.BigEndian.Uint16(gram[:])] = true
	}
	for _, suffix := range []string{"", "-wal", "-shm", ".lock", ".reserve"} {
		data, err := os.ReadFile(path + suffix)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for ; len(data) >= gramSize; data = data[1:] {
			if !begins[binary.BigEndian.Uint16(data)] {
				continue
			}
			if what, is := g[[gramSize]byte(data)]; is {
				left[what+" in store"+suffix]++
			}
		}
	}
	return left
}

// population fills a store with calls of two customers, in every state.
type population struct {
	t      *testing.T
	s      *Store
	random *rand.Rand
	path   string
	grams  map[string]grams // by customer
	calls  int
}

func newPopulation(t *testing.T) *population {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	p := &population{t: t, path: path, random: rand.New(rand.NewPCG(7, 11)), grams: map[string]grams{"anna": {}, "berta": {}}}
	p.s = openAt(t, path)
	return p
}

func openAt(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(context.WithoutCancel(t.Context()), Config{URL: "sqlite:" + path, Retention: time.Hour, DeadLetterRetention: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// noise is text of n random bytes that no codec makes shorter than it is random.
func (p *population) noise(n int) string {
	raw := make([]byte, n*3/4)
	for i := range raw {
		raw[i] = byte(p.random.Uint32())
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// event of a customer, everything of which is remembered.
func (p *population) event(customer, call string, kind Kind, turn int) *Event {
	name := fmt.Sprint(call, "/", turn)
	e := &Event{
		Source: "s", Kind: kind, Key: Key(name), ContentHash: Key("content", name), ReceivedAt: time.Now(), Customer: customer,
		Body: []byte(p.noise(100 + p.random.IntN(9000))), Headers: []byte(p.noise(64)), RequestHeaders: []byte(p.noise(256)),
		SessionID: p.noise(64), LogID: p.noise(64), ClientAddress: p.noise(32), Endpoint: p.noise(32), Name: string(kind),
		SIPKey: Key("sip", call), Sessions: []Hash{Key("session", call)}, QuietReason: ReasonWindow,
	}
	if kind == KindCDR {
		e.CallID, e.TraceID = []byte(p.noise(48)), [16]byte(e.Key[:16])
	} else {
		e.LogKeys, e.Quiet = []Hash{e.Key}, time.Hour
	}
	g := p.grams[customer]
	g.add("a body", e.Body)
	g.add("a packed body", packBody(e.Body))
	for what, stored := range map[string]string{
		"a session": e.SessionID, "a log id": e.LogID, "an address": e.ClientAddress, "an endpoint": e.Endpoint,
		"kept headers": string(e.Headers), "request headers": string(e.RequestHeaders), "a call id": string(e.CallID),
	} {
		g.add(what, []byte(stored))
	}
	return e
}

// live accepts and handles some calls of both customers, mixed.
func (p *population) live(calls int) {
	p.t.Helper()
	for range calls {
		p.calls++
		for _, customer := range []string{"anna", "berta"} {
			call := fmt.Sprint(customer, p.calls)
			cdr := p.event(customer, call, KindCDR, 0)
			for turn := range 1 + p.random.IntN(6) {
				message := p.event(customer, call, KindMessage, turn+1)
				cdr.LogKeys = append(cdr.LogKeys, message.Key)
				p.accept(message)
			}
			if p.random.IntN(4) > 0 {
				p.accept(cdr)
			}
		}
		if p.calls%3 == 0 {
			p.assemble()
		}
	}
}

func (p *population) accept(e *Event) {
	p.t.Helper()
	if _, err := p.s.Accept(p.t.Context(), e); err != nil {
		p.t.Fatal(err)
	}
}

// assemble assembles what is due, a tenth of it as unmappable, and settles most of
// the requests, in every way.
func (p *population) assemble() {
	p.t.Helper()
	ctx := p.t.Context()
	due, err := p.s.ClaimDue(ctx, 100, time.Minute)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, sub := range due {
		a := Assembly{Subject: sub, Root: Anchor{TraceID: sub.TraceID, SpanID: [8]byte{1}}}
		var g grams
		if err := p.s.Members(ctx, sub, func(m Member) error {
			a.Members = append(a.Members, m.EventID)
			for _, candidate := range p.grams {
				if candidate[[gramSize]byte(m.Body)] != "" {
					g = candidate
				}
			}
			return nil
		}); err != nil {
			p.t.Fatal(err)
		}
		if p.random.IntN(10) == 0 {
			a.DeadReason, a.DeadDetail = "unmappable", p.noise(128)
			g.add("a detail", []byte(a.DeadDetail))
		} else {
			a.Parts = []Part{{"traces", []byte(p.noise(500 + p.random.IntN(20_000)))}, {"logs", []byte(p.noise(500))}}
			for _, part := range a.Parts {
				g.add("a packed request", p.s.codec.pack(part.Body))
			}
		}
		if err := p.s.Assemble(ctx, a); err != nil {
			p.t.Fatal(err)
		}
	}
	for _, signal := range []string{"traces", "logs"} {
		requests, err := p.s.ClaimRequests(ctx, signal, 0, 1000, time.Minute)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, r := range requests {
			if p.random.IntN(5) == 0 {
				continue
			}
			s := Settlement{Request: r, Verdict: VerdictDone}
			if p.random.IntN(10) == 0 {
				s.Verdict, s.Reason, s.Detail = VerdictDead, "refused", "no"
			}
			if err := p.s.Settle(ctx, []Settlement{s}); err != nil {
				p.t.Fatal(err)
			}
		}
	}
}

// sound checks the file, and I2.
func (p *population) sound() {
	p.t.Helper()
	var found string
	if err := p.s.reader.QueryRow(`PRAGMA integrity_check`).Scan(&found); err != nil || found != "ok" {
		p.t.Errorf("integrity check: %s, %v", found, err)
	}
	ledger, err := p.s.Ledger(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	sum := int64(0)
	for state, n := range ledger["s"] {
		if state != StateAccepted {
			sum += n
		}
	}
	if sum != ledger["s"][StateAccepted] {
		p.t.Errorf("the ledger does not balance: %v", ledger)
	}
}

// rowsOf counts what the store has of a customer, and sums up its bytes.
func (p *population) rowsOf(customer string) (n, size int64) {
	p.t.Helper()
	err := p.s.reader.QueryRow(`SELECT count(*), coalesce(sum(length(e.request_headers) + coalesce(length(b.bytes), 0)), 0)
		FROM event e LEFT JOIN body b ON b.event_id = e.id WHERE e.customer_key = ?`, p.s.personMAC(roleCustomer, customer)).Scan(&n, &size)
	if err != nil {
		p.t.Fatal(err)
	}
	return n, size
}

func TestOfWhatIsForgottenNoByteIsLeftInTheFiles(t *testing.T) {
	t.Parallel()
	p := newPopulation(t)
	p.live(60)
	for range 100 { // history goes, and what it leaves is not overwritten by new events
		if err := p.s.writer.write(t.Context(), &op{run: func(x *tx) error { _, err := x.strip(1); return err }}); err != nil {
			t.Fatal(err)
		}
	}
	n, size := p.rowsOf("berta")
	if len(p.grams["anna"].in(t, p.path)) < 8 {
		t.Fatalf("too little was there: %v", p.grams["anna"].in(t, p.path))
	}
	f, err := p.s.Forget(t.Context(), Person{Source: "s", Customer: "anna"})
	if err != nil {
		t.Fatal(err)
	}
	if f.Events < 100 || f.Pending < 20 || f.Pending == f.Events || len(f.Traces) < 10 {
		t.Errorf("forgotten: %d events, %d pending, %d traces", f.Events, f.Pending, len(f.Traces))
	}
	if left := p.grams["anna"].in(t, p.path); len(left) > 0 {
		t.Errorf("pieces are left: %v", left)
	}
	if n2, size2 := p.rowsOf("berta"); n2 != n || size2 != size || n == 0 {
		t.Errorf("of the other customer %d rows of %d bytes are left of %d of %d", n2, size2, n, size)
	}
	p.sound()
	p.live(20)
	p.sound()
	if left := p.grams["berta"].in(t, p.path); len(left) < 8 {
		t.Errorf("of the other customer only %v is left", left)
	}
}

// A reader keeps the log from being cut for as long as it reads.
func TestForgetWaitsForTheReadersOfTheLog(t *testing.T) {
	t.Parallel()
	p := newPopulation(t)
	p.live(3)
	stop := make(chan struct{})
	done := make(chan error, 3)
	for range cap(done) {
		go func() {
			for {
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
				if _, err := p.s.Ledger(context.WithoutCancel(t.Context())); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	rows, err := p.s.reader.Query(`SELECT id FROM event`)
	if err != nil || !rows.Next() {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := p.s.Forget(context.WithoutCancel(t.Context()), Person{Source: "s", Customer: "anna"})
		ended <- err
	}()
	for refused := false; !refused; { // until it has met the reader
		select {
		case err := <-ended:
			t.Fatalf("it ended while the log was read: %v", err)
		default:
		}
		n, _ := p.rowsOf("anna")
		refused = n == 0
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	close(stop)
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if left := p.grams["anna"].in(t, p.path); len(left) > 0 {
		t.Errorf("pieces are left: %v", left)
	}
}

func TestOnlyTheGapOfABTreePageIsCleared(t *testing.T) {
	t.Parallel()
	p := newPopulation(t)
	p.live(30)
	pages := 0
	rows, err := p.s.reader.Query(`SELECT s.pageno, s.pagetype, s.unused, d.data FROM dbstat s JOIN sqlite_dbpage d ON d.pgno = s.pageno`)
	err = p.s.each(rows, err, func(rows *sql.Rows) error {
		var page int64
		var kind string
		var unused int
		var data []byte
		if err := rows.Scan(&page, &kind, &unused, &data); err != nil {
			return err
		}
		gap := dirtyGap(page, data)
		switch {
		case len(gap) > 0 && kind == "overflow":
			t.Errorf("page %d is an overflow page, and its gap is %d bytes", page, len(gap))
		case len(gap) > unused:
			t.Errorf("page %d (%s) has %d unused bytes, and its gap is %d", page, kind, unused, len(gap))
		case len(gap) > 0:
			pages++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if pages == 0 {
		t.Error("no page keeps anything in its gap: this test finds nothing any more")
	}
}
