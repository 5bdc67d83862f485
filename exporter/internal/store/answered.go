package store

import (
	"cmp"
	"context"
	"database/sql"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Bounds of what is kept of answers (I7). Source, outcome and reason are closed sets or
// configured, so a minute has few counts.
const (
	answersKept  = 25 * time.Hour // in the store
	answersHeld  = 2 * time.Hour  // in memory, while they can't be written
	answersEvery = time.Second    // how often they are written
)

// Answer is what the webhook listener answered a request.
type Answer struct {
	At      time.Time // of the request
	Source  string    // a configured name; "" for a path that names none
	Outcome string    // closed set
	Reason  string    // why it was refused, closed set; "" if it was not

	// Of a refused request. The texts are from strangers.
	Status        int
	ClientAddress string
	Path          string // without its query
	AskedSource   string // that the path names, configured or not
	UserAgent     string
}

// AnswerCount is how many answers were alike.
type AnswerCount struct {
	Minute                  time.Time // its start; zero for all
	Source, Outcome, Reason string
	N                       int64
}

// answerKey is what answers are counted by.
type answerKey struct {
	minute                  int64 // since 1970
	source, outcome, reason string
}

func minuteOf(at time.Time) int64 { return at.Unix() / 60 }

// gatherer gathers what the webhook listener answered and writes it once a second: a
// count of everything, and samples of what was refused. Neither is worth an fsync for
// each webhook.
type gatherer struct {
	store *Store
	stop  chan struct{}
	done  chan struct{}
	// turn is held while gathered answers are written, and while stored ones are read:
	// else what is being written would be counted twice, or not at all.
	turn chan struct{}
	ring ring // used by who has the turn

	mu      sync.Mutex // guards what follows; never held while the store is waited for
	counts  map[answerKey]int64
	samples map[[2]string]map[refusal]sample // by source and reason
}

func startGatherer(s *Store) *gatherer {
	g := &gatherer{store: s, stop: make(chan struct{}), done: make(chan struct{}), turn: make(chan struct{}, 1)}
	g.ring.store = s
	g.takeAll()
	go g.loop()
	return g
}

// close writes what is gathered and ends the goroutine.
func (g *gatherer) close() {
	close(g.stop)
	<-g.done
}

func (g *gatherer) loop() {
	defer close(g.done)
	tick := time.NewTicker(answersEvery)
	defer tick.Stop()
	for stopped := false; !stopped; {
		select {
		case <-tick.C:
		case <-g.stop:
			stopped = true
		}
		g.flush()
	}
}

// Answered counts an answer of the webhook listener and, if it refused, samples it for
// the delivery log. It waits for nothing. Nothing of it is in the ledger.
func (s *Store) Answered(a Answer) {
	key := answerKey{minuteOf(a.At), a.Source, a.Outcome, a.Reason}
	var r refusal
	if a.Reason != "" {
		r = refusalOf(a)
	}
	g := s.gather
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counts[key]++
	if a.Reason != "" {
		g.sample(r, sample{at: a.At.UnixNano(), n: 1})
	}
}

// takeAll returns what is gathered, and begins anew.
func (g *gatherer) takeAll() (map[answerKey]int64, map[refusal]sample) {
	g.mu.Lock()
	defer g.mu.Unlock()
	counts, samples := g.counts, g.allSamples()
	g.counts, g.samples = make(map[answerKey]int64), make(map[[2]string]map[refusal]sample)
	return counts, samples
}

// flush writes what is gathered. What can't be written is gathered still: refused
// webhooks are to be seen after an outage, of all times.
func (g *gatherer) flush() {
	_ = g.await(context.Background()) // which never ends
	defer g.release()
	counts, samples := g.takeAll()
	if err := g.writeCounts(counts); err != nil {
		g.giveBack(counts)
		g.store.cfg.Logger.Debug("answers were not counted in the store; trying again", slog.Any("error", err))
	}
	if err := g.ring.write(samples); err != nil {
		g.keep(samples)
		g.store.cfg.Logger.Debug("refused requests were not recorded; trying again", slog.Any("error", err))
	}
}

// await takes the turn; release gives it back.
func (g *gatherer) await(ctx context.Context) error {
	select {
	case g.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g *gatherer) release() { <-g.turn }

// writeCounts adds counts to what is stored. It takes place in a store that is full,
// too: that is when webhooks are refused, and a minute has few counts.
func (g *gatherer) writeCounts(counts map[answerKey]int64) error {
	if len(counts) == 0 {
		return nil
	}
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b answerKey) int {
		return cmp.Or(cmp.Compare(a.minute, b.minute), cmp.Compare(a.source, b.source), cmp.Compare(a.outcome, b.outcome), cmp.Compare(a.reason, b.reason))
	})
	for part := range slices.Chunk(keys, sliceRows) {
		err := g.store.writer.write(context.Background(), &op{stage: stageOther, run: func(t *tx) error { return t.countAnswers(part, counts) }})
		if err != nil {
			return err
		}
		for _, k := range part {
			delete(counts, k)
		}
	}
	return nil
}

func (t *tx) countAnswers(keys []answerKey, counts map[answerKey]int64) error {
	for _, k := range keys {
		err := t.exec(`INSERT INTO answer (minute, source, outcome, reason, shard, n) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (minute, source, outcome, reason, shard) DO UPDATE SET n = answer.n + excluded.n`,
			k.minute, k.source, k.outcome, k.reason, t.store.shard, counts[k])
		if err != nil {
			return err
		}
	}
	return nil
}

// giveBack gathers counts again that were not written, those of the last hours. After a
// commit with an unknown outcome they may count twice: too many is better than none.
func (g *gatherer) giveBack(counts map[answerKey]int64) {
	oldest := minuteOf(g.store.cfg.Now().Add(-answersHeld))
	g.mu.Lock()
	defer g.mu.Unlock()
	for k, n := range counts {
		if k.minute >= oldest {
			g.counts[k] += n
		}
	}
}

// Answers counts what was answered since a time, by minute, in all processes that share
// the store.
func (s *Store) Answers(ctx context.Context, since time.Time) ([]AnswerCount, error) {
	return s.gather.read(ctx, since, `SELECT minute, source, outcome, reason, CAST(sum(n) AS BIGINT) FROM answer
		WHERE minute >= ? GROUP BY minute, source, outcome, reason`, func(k answerKey) (answerKey, bool) { return k, true })
}

// Refused counts what was refused since a time, in all processes that share the store.
// A day is kept.
func (s *Store) Refused(ctx context.Context, since time.Time) ([]AnswerCount, error) {
	return s.gather.read(ctx, since, `SELECT 0, source, outcome, reason, CAST(sum(n) AS BIGINT) FROM answer
		WHERE minute >= ? AND reason <> '' GROUP BY source, outcome, reason`, func(k answerKey) (answerKey, bool) {
		k.minute = 0
		return k, k.reason != ""
	})
}

// read adds what is gathered to what a query counts in the store. row tells in which row
// of the query an answer is counted, if in any.
func (g *gatherer) read(ctx context.Context, since time.Time, query string, row func(answerKey) (answerKey, bool)) ([]AnswerCount, error) {
	if err := g.await(ctx); err != nil {
		return nil, err
	}
	defer g.release()
	counts := make(map[answerKey]int64)
	oldest := minuteOf(since)
	rows, err := g.store.read(ctx, query, oldest)
	err = g.store.each(rows, err, func(rows *sql.Rows) error {
		var k answerKey
		var n int64
		err := rows.Scan(&k.minute, &k.source, &k.outcome, &k.reason, &n)
		counts[k] += n
		return err
	})
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	for k, n := range g.counts {
		if to, ok := row(k); ok && k.minute >= oldest {
			counts[to] += n
		}
	}
	g.mu.Unlock()
	found := make([]AnswerCount, 0, len(counts))
	for k, n := range counts {
		c := AnswerCount{Source: k.source, Outcome: k.outcome, Reason: k.reason, N: n}
		if k.minute != 0 {
			c.Minute = time.Unix(k.minute*60, 0).UTC()
		}
		found = append(found, c)
	}
	slices.SortFunc(found, func(a, b AnswerCount) int {
		return cmp.Or(a.Minute.Compare(b.Minute), cmp.Compare(b.N, a.N), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.Reason, b.Reason))
	})
	return found, nil
}

// endAnswers deletes counts of minutes that are long over.
func (t *tx) endAnswers(budget int) (int, error) {
	n := 0
	for n < budget {
		var minute int64
		found, err := t.one(`SELECT minute FROM answer WHERE minute < ? ORDER BY minute LIMIT 1`,
			[]any{minuteOf(timeOf(t.now).Add(-answersKept))}, &minute)
		if err != nil || !found {
			return n, err
		}
		gone, err := t.change(`DELETE FROM answer WHERE minute = ?`, minute)
		if err != nil {
			return n, err
		}
		n += int(gone)
	}
	return n, nil
}
