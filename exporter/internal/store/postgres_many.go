package store

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
)

// manyRows is the form of a statement that does the work of many: its parameters are
// arrays, which unnest turns into rows.
type manyRows struct {
	text  string   // empty: there is none
	types []uint32 // of a row's columns
	// answers: what it tells of a row begins with the row's number.
	answers bool
}

// Names of the types of parameters that there is an array for.
var columnTypes = map[uint32]string{pgtype.Int8OID: "bigint", pgtype.TextOID: "text", pgtype.ByteaOID: "bytea"}

var (
	parameter = regexp.MustCompile(`\$(\d+)`)
	// Not with DO UPDATE, which can't change a row twice.
	insertsRow = regexp.MustCompile(`(?s)^(INSERT INTO \w+ \(.*?\)\s+)VALUES \((.*?)\)(| ON CONFLICT DO NOTHING| RETURNING .*)$`)
	readsOnly  = regexp.MustCompile(`(?s)^SELECT .* LIMIT 1$`)
)

// many is that form of a statement.
func (p *postgres) many(t *tx, text string) (manyRows, error) {
	if many, ok := p.manys[text]; ok {
		return many, nil
	}
	// The single statement tells the types.
	if _, err := t.prepare(text); err != nil {
		return manyRows{}, err
	}
	query := p.sql(text)
	var prepared *pgconn.StatementDescription
	err := t.conn.Raw(func(c any) (err error) {
		prepared, err = c.(*stdlib.Conn).Conn().Prepare(t.ctx, query, query)
		return err
	})
	if err != nil {
		return manyRows{}, err
	}
	many := manyOf(query, prepared.ParamOIDs)
	p.manys[text] = many
	return many, nil
}

func manyOf(query string, types []uint32) manyRows {
	var arrays, names []string
	for i, id := range types {
		name, ok := columnTypes[id]
		if !ok {
			return manyRows{}
		}
		arrays = append(arrays, fmt.Sprintf("$%d::%s[]", i+1, name))
		names = append(names, "p"+strconv.Itoa(i+1))
	}
	from, row := "FROM unnest("+strings.Join(arrays, ", ")+")", strings.Join(names, ", ")
	if parts := insertsRow.FindStringSubmatch(query); parts != nil {
		values := parameter.ReplaceAllString(parts[2], "r.p$1")
		return manyRows{parts[1] + "SELECT " + values + " " + from + " AS r(" + row + ")" + parts[3], types, false}
	}
	if readsOnly.MatchString(query) {
		return manyRows{"SELECT r.n, q.* " + from + " WITH ORDINALITY AS r(" + row + ", n) CROSS JOIN LATERAL (" +
			parameter.ReplaceAllString(query, "r.p$1") + ") AS q", types, true}
	}
	return manyRows{}
}

// readMany is one statement, and one trip. Each row is looked up as if it were alone: of
// many in an IN the planner may think that all there is is soon read.
func (p *postgres) readMany(ctx context.Context, query string, columns [][]int64, fn func(*sql.Rows) error) error {
	if len(columns[0]) == 0 {
		return nil
	}
	var arrays, names []string
	var args []any
	for i, column := range columns {
		name := "p" + strconv.Itoa(i+1)
		query = strings.Replace(query, "?", "asked."+name, 1)
		arrays, names, args = append(arrays, "CAST(? AS BIGINT[])"), append(names, name), append(args, column)
	}
	rows, err := p.store.read(ctx, "SELECT q.* FROM unnest("+strings.Join(arrays, ", ")+") AS asked("+strings.Join(names, ", ")+
		") CROSS JOIN LATERAL ("+query+") AS q", args...)
	return p.store.each(rows, err, fn)
}

// columns are the arguments of equal statements, column by column.
func (m manyRows) columns(equal []*statement) (columns []any, ok bool) {
	for i, id := range m.types {
		switch id {
		case pgtype.Int8OID:
			columns, ok = column[int64](columns, equal, i)
		case pgtype.TextOID:
			columns, ok = column[string](columns, equal, i)
		default:
			columns, ok = blobs(columns, equal, i)
		}
		if !ok {
			return nil, false
		}
	}
	return columns, true
}

// column appends argument i of all, where nil is NULL.
func column[T any](columns []any, equal []*statement, i int) ([]any, bool) {
	values := make([]*T, len(equal))
	for n, s := range equal {
		switch v := s.args[i].(type) {
		case nil:
		case T:
			values[n] = &v
		default:
			return nil, false
		}
	}
	return append(columns, values), true
}

// blobs is column of what is nil itself where it is NULL.
func blobs(columns []any, equal []*statement, i int) ([]any, bool) {
	values := make([][]byte, len(equal))
	for n, s := range equal {
		v, ok := s.args[i].([]byte)
		if !ok && s.args[i] != nil {
			return nil, false
		}
		values[n] = v
	}
	return append(columns, values), true
}
