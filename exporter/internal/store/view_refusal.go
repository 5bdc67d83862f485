package store

import (
	"context"
	"database/sql"
	"math"
	"time"
)

// Refusal is a refused request, or several alike within a second. They are
// sampled: what comes too fast is not recorded.
type Refusal struct {
	Source        string // as the path named it; "_OTHER" for all beyond the first few
	Status        int    // HTTP status
	Reason        string // closed set
	ClientAddress string
	At            time.Time
	N             int64 // how many alike
	// Number orders the refusals of a source.
	Number int64
}

// Refusals lists refused requests of a source ("": all of them), newest first,
// those that follow on one (its zero value: from the newest). Limit is at most
// 500. At most a thousand a source are kept.
func (s *Store) Refusals(ctx context.Context, source string, after Refusal, limit int) ([]Refusal, error) {
	var found []Refusal
	at := int64(math.MaxInt64)
	if !after.At.IsZero() {
		at = after.At.UnixNano()
	}
	rows, err := s.read(ctx, `SELECT source, status, reason, client_address, received_at, n, seq FROM refusal
		WHERE source >= ? AND (? = '' OR source = ?) AND (received_at < ? OR received_at = ? AND (source > ? OR source = ? AND seq < ?))
		ORDER BY received_at DESC, source, seq DESC LIMIT 0 + ?`,
		source, source, source, at, at, after.Source, after.Source, after.Number, min(max(limit, 1), maxPage))
	err = s.each(rows, err, func(rows *sql.Rows) error {
		var r Refusal
		var at int64
		err := rows.Scan(&r.Source, &r.Status, &r.Reason, &r.ClientAddress, &at, &r.N, &r.Number)
		r.At = timeOf(at)
		found = append(found, r)
		return err
	})
	return found, err
}
