package store

import (
	"database/sql"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
)

// sizedText is a statement that adds or deletes rows of which the size is counted.
type sizedText struct {
	text   string
	sign   int64 // 0: not counted
	row    int64 // of a row and its index entries
	inside bool  // it also tells the size of what is in the row
}

// rowSizes are the tables of which the size is counted, what a row of them occupies,
// about, the smaller tables with them, and what tells the size of what is in it.
var rowSizes = map[string]struct {
	row    int64
	inside string
}{
	"event":       {2048, `coalesce(octet_length(headers), 0) + coalesce(octet_length(request_headers), 0)`},
	"body":        {96, `octet_length(bytes)`},
	"outbox":      {512, ``},
	"request":     {96, `octet_length(bytes)`},
	"observation": {192, `octet_length(bytes)`},
	"turn":        {turnSize, ``},
}

func (p *postgres) sized(query string, id bool) sizedText {
	if s, ok := p.texts[query]; ok {
		return s
	}
	s := sizedText{text: query}
	var returning []string
	if id {
		returning = append(returning, "id")
	}
	for verb, sign := range map[string]int64{"INSERT INTO ": 1, "DELETE FROM ": -1} {
		rest, ok := strings.CutPrefix(query, verb)
		if !ok {
			continue
		}
		table, _, _ := strings.Cut(rest, " ")
		size, ok := rowSizes[table]
		if !ok {
			continue
		}
		s.sign, s.row, s.inside = sign, size.row, size.inside != ""
		if s.inside {
			returning = append(returning, size.inside)
		}
	}
	if len(returning) > 0 {
		s.text += " RETURNING " + strings.Join(returning, ", ")
	}
	p.texts[query] = s
	return s
}

// statement is one run of a statement: it is queued, sent, and then has its answer.
type statement struct {
	sizedText
	args []any
	// dest is scanned from the first row, found tells whether there was one, and tag is
	// what the server says that was done.
	dest  []any
	found bool
	tag   string
	rows  int64               // changed
	each  func(scanner) error // called for every row, instead of dest
	// of are those whose work it does at once. Where they have a dest, a row begins with
	// the number of the one that it answers.
	of []*statement
}

func (p *postgres) statement(query string, args []any) *statement {
	return &statement{sizedText: p.sized(query, false), args: p.args(args)}
}

func (p *postgres) exec(_ *tx, query string, args []any) error {
	p.strand.queue = append(p.strand.queue, p.statement(query, args))
	return nil
}

func (p *postgres) change(t *tx, query string, args []any) (int64, error) {
	s := p.statement(query, args)
	err := p.ask(t, s)
	return s.rows, err
}

func (p *postgres) one(t *tx, query string, args, dest []any) (bool, error) {
	s := p.statement(query, args)
	s.dest = dest
	err := p.ask(t, s)
	return s.found, err
}

func (p *postgres) each(t *tx, query string, args []any, fn func(scanner) error) error {
	return p.ask(t, &statement{sizedText: sizedText{text: query}, args: p.args(args), each: fn})
}

const insertEvent = "INSERT INTO event ("

// insert asks for the id, but of an event: those were asked for when the batch began.
func (p *postgres) insert(t *tx, query string, args []any) (id int64, err error) {
	if rest, ok := strings.CutPrefix(query, insertEvent); ok && len(p.ids) > 0 {
		id, p.ids = p.ids[0], p.ids[1:]
		query = insertEvent + "id, " + strings.Replace(rest, "VALUES (", "VALUES (?, ", 1)
		return id, p.exec(t, query, append([]any{id}, args...))
	}
	s := &statement{sizedText: p.sized(query, true), args: p.args(args), dest: []any{&id}}
	err = p.ask(t, s)
	return id, err
}

// command is a statement that must be answered by its own name.
func command(name string) *statement { return &statement{sizedText: sizedText{text: name}, tag: name} }

// send sends statements in one trip and reads their answers. The first that fails is
// the last that was run. It tells by how much what is stored grew.
func (p *postgres) send(w *writer, queue []*statement) (grew int64, err error) {
	if len(queue) == 0 {
		return 0, nil
	}
	var batch pgx.Batch
	for _, s := range queue {
		if s.tag == "" {
			if _, err := w.prepare(s.text); err != nil {
				return 0, err
			}
		}
		batch.Queue(p.sql(s.text), s.args...)
	}
	err = w.conn.Raw(func(c any) error {
		results := c.(*stdlib.Conn).Conn().SendBatch(w.ctx, &batch)
		for _, s := range queue {
			rows, err := results.Query()
			if err == nil {
				var n int64
				n, err = s.read(rows)
				grew += n
			}
			if err != nil {
				_ = results.Close() // says the same
				return err
			}
		}
		return results.Close()
	})
	return grew, err
}

// read reads the answer, and tells by how much what is stored grew.
func (s *statement) read(rows pgx.Rows) (grew int64, err error) {
	defer rows.Close()
	for rows.Next() {
		if s.each != nil {
			if err := s.each(scanned{rows}); err != nil {
				return 0, err
			}
			continue
		}
		dest, to := flags(s.dest), s
		if s.numbered() {
			if to, err = s.answered(rows); err != nil {
				return 0, err
			}
			dest = append([]any{nil}, flags(to.dest)...)
		}
		var inside int64
		if s.inside {
			dest = append(dest, &inside)
		}
		if len(dest) > 0 && (s.inside || !to.found) {
			if err := rows.Scan(dest...); err != nil {
				return 0, err
			}
		}
		to.found = true
		grew += s.sign * inside
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	tag := rows.CommandTag()
	if s.tag != "" && tag.String() != s.tag {
		return 0, fmt.Errorf("%w: %s was answered %s", errRolledBack, s.tag, tag)
	}
	s.rows = tag.RowsAffected()
	return grew + s.sign*s.row*s.rows, nil
}

func (s *statement) numbered() bool { return len(s.of) > 0 && s.of[0].dest != nil }

// answered is the statement that a row answers.
func (s *statement) answered(rows pgx.Rows) (*statement, error) {
	var n int64
	dest := make([]any, len(rows.FieldDescriptions()))
	dest[0] = &n
	err := rows.Scan(dest...)
	if err == nil && (n < 1 || n > int64(len(s.of))) {
		err = fmt.Errorf("row for statement %d of %d", n, len(s.of))
	}
	if err != nil {
		return nil, err
	}
	return s.of[n-1], nil
}

// scanned is a row of pgx, which does not know the types of database/sql.
type scanned struct{ pgx.Rows }

func (s scanned) Scan(dest ...any) error {
	dest = flags(dest)
	for i, d := range dest {
		if raw, ok := d.(*sql.RawBytes); ok {
			dest[i] = (*[]byte)(raw)
		}
	}
	return s.Rows.Scan(dest...)
}

// flags lets booleans be scanned from what the tables have for them, numbers.
func flags(dest []any) []any {
	out := make([]any, len(dest))
	for i, d := range dest {
		if b, ok := d.(*bool); ok {
			d = flagScan{b}
		}
		out[i] = d
	}
	return out
}

type flagScan struct{ to *bool }

func (f flagScan) ScanInt64(v pgtype.Int8) error { *f.to = v.Int64 != 0; return nil }

func (f flagScan) ScanBool(v pgtype.Bool) error { *f.to = v.Bool; return nil }
