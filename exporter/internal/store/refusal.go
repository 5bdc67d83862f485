package store

import (
	"context"
	"database/sql"
	"log/slog"
	"time"
)

// Bounds of what is kept of refused requests. They come from anybody, so every
// one of them is bounded by a constant (I7).
const (
	refusalRing    = 1000 // rows a source
	refusalSources = 64   // distinct sources; more are counted as refusalOther
	refusalOther   = "_OTHER"
	refusalQueue   = 256
	refusalEvery   = time.Second
)

// refusal is a refused request, or several alike within refusalEvery.
type refusal struct {
	source, reason, client string
	status                 int
}

// refusals gathers refused requests and writes them a few at a time: they are
// a help for whoever looks why webhooks are missing, never worth an fsync each.
type refusals struct {
	store *Store
	queue chan refusal
	stop  chan struct{}
	done  chan struct{}

	// next sequence number by source; nil before it was read. Whoever writes waits for
	// the writer, so that this goroutine and the writer's never use it at once.
	next map[string]int64
}

// Refuse samples a refused request for the delivery log: source, HTTP status,
// reason (closed set) and client address. It never blocks; what comes too fast
// is not recorded. Nothing of it is in the ledger.
func (s *Store) Refuse(source string, status int, reason, client string) {
	r := refusal{
		source: display(source, maxDisplay), status: status,
		reason: display(reason, maxDisplay), client: display(client, maxDisplay),
	}
	select {
	case s.refuse.queue <- r:
	default:
	}
}

func startRefusals(s *Store) *refusals {
	r := &refusals{
		store: s,
		queue: make(chan refusal, refusalQueue),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	go r.loop()
	return r
}

// close writes what is waiting and ends the goroutine.
func (r *refusals) close() {
	close(r.stop)
	<-r.done
}

func (r *refusals) loop() {
	defer close(r.done)
	tick := time.NewTicker(refusalEvery)
	defer tick.Stop()
	seen := make(map[refusal]int64)
	for {
		select {
		case one := <-r.queue:
			if len(seen) < refusalQueue || seen[one] > 0 {
				seen[one]++
			}
		case <-tick.C:
			r.flush(seen)
		case <-r.stop:
			for len(r.queue) > 0 {
				seen[<-r.queue]++
			}
			r.flush(seen)
			return
		}
	}
}

func (r *refusals) flush(seen map[refusal]int64) {
	if len(seen) == 0 {
		return
	}
	if err := r.record(seen); err != nil {
		r.store.cfg.Logger.Debug("refused requests were not recorded", slog.Any("error", err))
	}
	clear(seen)
}

func (r *refusals) record(seen map[refusal]int64) error {
	if !r.store.engine.shared() {
		if err := r.load(); err != nil {
			return err
		}
	}
	return r.store.writer.write(context.Background(), &op{stage: stageOther, bytes: int64(len(seen)) * 256, grows: true, run: func(t *tx) error {
		if t.engine.shared() {
			if err := r.loadAlone(t); err != nil {
				return err
			}
		}
		for one, n := range seen {
			if err := r.insert(t, one, n); err != nil {
				return err
			}
		}
		return nil
	}})
}

func (r *refusals) insert(t *tx, one refusal, n int64) error {
	seq := r.sequence(&one.source)
	return t.exec(`INSERT INTO refusal (source, slot, seq, status, reason, client_address, received_at, n) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (source, slot) DO UPDATE SET seq = excluded.seq, status = excluded.status, reason = excluded.reason,
			client_address = excluded.client_address, received_at = excluded.received_at, n = excluded.n`,
		one.source, seq%refusalRing, seq, one.status, one.reason, one.client, t.now, n)
}

// sequence is the place of the next row of a source. Names of sources that do not
// exist are whatever a client wrote into the path: they share one ring.
func (r *refusals) sequence(source *string) int64 {
	if _, ok := r.next[*source]; !ok && len(r.next) >= refusalSources {
		*source = refusalOther
	}
	seq := r.next[*source]
	r.next[*source] = seq + 1
	return seq
}

// load reads where each ring is, once, beside the writer: they may have tens of
// thousands of rows.
func (r *refusals) load() error {
	if r.next != nil {
		return nil
	}
	next := make(map[string]int64)
	rows, err := r.store.read(context.Background(), ringEnds)
	if err = r.store.each(rows, err, func(rows *sql.Rows) error { return scanRing(rows, next) }); err == nil {
		r.next = next
	}
	return err
}

// loadAlone is load where others write too, each after the other.
func (r *refusals) loadAlone(t *tx) error {
	if err := t.engine.alone(t, "refusal"); err != nil {
		return err
	}
	r.next = make(map[string]int64)
	return t.each(ringEnds, nil, func(rows scanner) error { return scanRing(rows, r.next) })
}

const ringEnds = `SELECT source, max(seq) + 1 FROM refusal GROUP BY source`

func scanRing(rows scanner, next map[string]int64) error {
	var source string
	var n int64
	err := rows.Scan(&source, &n)
	next[source] = n
	return err
}
