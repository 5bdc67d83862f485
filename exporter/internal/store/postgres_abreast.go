package store

import (
	"bytes"
	"cmp"
	"errors"
	"iter"
	"slices"
	"strings"
)

// A statement costs a trip to the server, whatever it does there. So what nobody asks
// about waits, and goes with the next statement that somebody asks about. And ops that
// have nothing to do with each other run abreast: each goes on until it asks, then all
// their statements go in one trip, equal ones as one statement with many rows.

// strand is an op that runs abreast with others, and what it queued, in its order.
type strand struct {
	queue []*statement
	next  func() (struct{}, bool)
	stop  func()
	park  func(struct{}) bool // nil: it runs alone
}

// errParked ends an op of a batch that failed. Nobody sees it: the batch is undone.
var errParked = errors.New("another op of the batch failed")

func (p *postgres) run(t *tx, batch []*op) error {
	for len(batch) > 0 {
		n := countAbreast(batch)
		var err error
		if n == 1 {
			err = t.runEach(batch[:1])
		} else {
			err = p.abreast(t, n, func(i int) error { return t.runEach(batch[i : i+1]) })
		}
		if err != nil {
			return err
		}
		batch = batch[n:]
	}
	return nil
}

// countAbreast counts the first ops that may run abreast. They are sorted by stage and key.
func countAbreast(batch []*op) int {
	n := 1
	for batch[0].abreast && n < len(batch) && batch[n].abreast && batch[n].stage == batch[0].stage && !bytes.Equal(batch[n].key, batch[n-1].key) {
		n++
	}
	return n
}

func (p *postgres) abreast(t *tx, n int, run func(i int) error) error {
	alone := p.strand
	defer func() { p.strand = alone }()
	strands, errs := make([]*strand, n), make([]error, n)
	for i := range n {
		s := new(strand)
		s.next, s.stop = iter.Pull(func(park func(struct{}) bool) {
			s.park = park
			errs[i] = run(i)
		})
		defer s.stop()
		strands[i] = s
	}
	// What those that ended left in their queues nobody of the others reads: it is sent
	// with all that is left at the end, in the order of keys.
	for live := slices.Clone(strands); len(live) > 0; {
		live = slices.DeleteFunc(live, func(s *strand) bool {
			p.strand = s
			_, parked := s.next()
			return !parked
		})
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		if len(live) == 0 {
			break
		}
		if err := p.sendAll(t, alone, live); err != nil {
			return err
		}
	}
	rest, err := p.merge(t, strands)
	alone.queue = append(alone.queue, rest...)
	return err
}

// ask runs a statement, after all that was queued before it.
func (p *postgres) ask(t *tx, s *statement) error {
	p.strand.queue = append(p.strand.queue, s)
	if p.strand.park == nil {
		return p.flush(t)
	}
	if !p.strand.park(struct{}{}) {
		return errParked
	}
	return nil
}

// flush sends what was queued.
func (p *postgres) flush(t *tx) error { return p.sendAll(t, p.strand, nil) }

// sendAll sends what one strand queued and then what those abreast did.
func (p *postgres) sendAll(t *tx, first *strand, abreast []*strand) error {
	queue := first.queue
	first.queue = nil
	merged, err := p.merge(t, abreast)
	if err != nil {
		return err
	}
	grew, err := p.send(t.writer, append(queue, merged...))
	t.grew(grew)
	return err
}

// merge empties the queues of strands into one, in which each strand's order is kept.
func (p *postgres) merge(t *tx, strands []*strand) (queue []*statement, err error) {
	for place := 0; ; place++ {
		var texts []string
		equal := make(map[string][]*statement)
		for _, s := range strands {
			if place < len(s.queue) {
				q := s.queue[place]
				if equal[q.text] == nil {
					texts = append(texts, q.text)
				}
				equal[q.text] = append(equal[q.text], q)
			}
		}
		if texts == nil {
			break
		}
		for _, text := range texts {
			one, err := p.together(t, equal[text])
			if err != nil {
				return nil, err
			}
			queue = append(queue, one...)
		}
	}
	for _, s := range strands {
		s.queue = nil
	}
	return queue, nil
}

// together is what does the work of equal statements: one with many rows, where it
// has that form, or all of them. Locks are taken in the order of ids, by all processes.
func (p *postgres) together(t *tx, equal []*statement) ([]*statement, error) {
	if strings.HasSuffix(equal[0].text, "FOR UPDATE") {
		slices.SortStableFunc(equal, func(a, b *statement) int { return cmp.Compare(a.args[0].(int64), b.args[0].(int64)) })
	}
	if len(equal) == 1 || equal[0].each != nil {
		return equal, nil
	}
	many, err := p.many(t, equal[0].text)
	if err != nil || many.text == "" || !many.answers && equal[0].dest != nil {
		return equal, err
	}
	columns, ok := many.columns(equal)
	if !ok {
		return equal, nil
	}
	s := &statement{sizedText: equal[0].sizedText, args: columns, of: equal}
	s.text = many.text
	return []*statement{s}, nil
}
