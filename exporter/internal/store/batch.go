package store

import (
	"bytes"
	"cmp"
	"slices"
)

// runOrder lists what is to run of a batch. Neighbours in the index are written
// together; what claims and assembles follows, so that it sees the events of the same
// commit.
func runOrder(batch []*op) []*op {
	ordered := make([]*op, 0, len(batch))
	for _, o := range batch {
		if o.parts != nil {
			ordered = append(ordered, o.parts...)
		} else {
			ordered = append(ordered, o)
		}
	}
	slices.SortStableFunc(ordered, func(a, b *op) int {
		return cmp.Or(cmp.Compare(a.stage, b.stage), bytes.Compare(a.key, b.key))
	})
	return ordered
}
