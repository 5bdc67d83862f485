package store

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
)

// Bounds of what is kept of refused requests. Anybody can send those, so every one is
// bounded by a constant (I7).
const (
	refusalRing    = 1000 // rows a source
	refusalSources = 64   // distinct sources; more share the ring of refusalOther
	refusalOther   = "_OTHER"
	refusalSamples = 32   // distinct ones of a source and reason, until they are written
	refusalSize    = 1024 // of a row in bytes, about
)

// refusal is a refused request, or several alike.
type refusal struct {
	source, reason, client, path, asked, agent string
	status                                     int
}

// sample is when the last of them came, in Unix nanoseconds, and how many there were.
type sample struct{ at, n int64 }

func refusalOf(a Answer) refusal {
	return refusal{
		source: display(a.Source, maxDisplay), status: a.Status, reason: display(a.Reason, maxDisplay), client: display(a.ClientAddress, maxDisplay),
		path: display(a.Path, maxDisplay), asked: display(a.AskedSource, maxDisplay), agent: display(a.UserAgent, maxDisplay),
	}
}

// sample adds to what is gathered. What is new beyond refusalSamples is counted only: by
// source and reason, so that a scanner's requests never hide the platform's.
func (g *gatherer) sample(r refusal, more sample) {
	k := [2]string{r.source, r.reason}
	if g.samples[k] == nil {
		g.samples[k] = make(map[refusal]sample)
	}
	seen, ok := g.samples[k][r]
	if ok || len(g.samples[k]) < refusalSamples {
		g.samples[k][r] = sample{max(seen.at, more.at), seen.n + more.n}
	}
}

// keep gathers samples again that were not written.
func (g *gatherer) keep(samples map[refusal]sample) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for r, s := range samples {
		g.sample(r, s)
	}
}

// allSamples are those of every source and reason. The caller holds the lock.
func (g *gatherer) allSamples() map[refusal]sample {
	all := make(map[refusal]sample)
	for _, some := range g.samples {
		maps.Copy(all, some)
	}
	return all
}

// ring writes samples into a ring of rows for each source.
type ring struct {
	store *Store
	// next sequence number by source; nil before it was read. Whoever writes waits for
	// the writer, so that this goroutine and the writer's never use it at once.
	next map[string]int64
}

func (r *ring) write(samples map[refusal]sample) error {
	if len(samples) == 0 {
		return nil
	}
	if !r.store.engine.shared() {
		if err := r.load(); err != nil {
			return err
		}
	}
	sorted := slices.SortedFunc(maps.Keys(samples), func(a, b refusal) int { return cmp.Compare(samples[a].at, samples[b].at) })
	err := r.store.writer.write(context.Background(), &op{stage: stageOther, bytes: int64(len(samples)) * refusalSize, grows: true, run: func(t *tx) error {
		if t.engine.shared() {
			if err := r.loadAlone(t); err != nil {
				return err
			}
		}
		for _, one := range sorted {
			if err := r.insert(t, one, samples[one]); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		r.next = nil // it counted what was not written
	}
	return err
}

func (r *ring) insert(t *tx, one refusal, s sample) error {
	seq := r.sequence(&one.source)
	return t.exec(`INSERT INTO refusal (source, slot, seq, status, reason, client_address, received_at, n, path, asked, user_agent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (source, slot) DO UPDATE SET seq = excluded.seq, status = excluded.status, reason = excluded.reason,
			client_address = excluded.client_address, received_at = excluded.received_at, n = excluded.n,
			path = excluded.path, asked = excluded.asked, user_agent = excluded.user_agent`,
		one.source, seq%refusalRing, seq, one.status, one.reason, one.client, s.at, s.n, one.path, one.asked, one.agent)
}

// sequence is the place of the next row of a source.
func (r *ring) sequence(source *string) int64 {
	if _, ok := r.next[*source]; !ok && len(r.next) >= refusalSources {
		*source = refusalOther
	}
	seq := r.next[*source]
	r.next[*source] = seq + 1
	return seq
}

// load reads where each ring is, once, beside the writer: they may have tens of
// thousands of rows.
func (r *ring) load() error {
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
func (r *ring) loadAlone(t *tx) error {
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
