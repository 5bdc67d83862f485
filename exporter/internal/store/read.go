package store

import (
	"context"
	"database/sql"
	"sync"
)

// statements are what the readers have prepared, by their text.
type statements struct {
	mu   sync.Mutex // guards stmt
	stmt map[string]*sql.Stmt
}

// read runs a query on a reader's connection, beside the writer.
func (s *Store) read(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := s.engine.trouble(); err != nil {
		return nil, err
	}
	stmt, err := s.prepared(query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, s.engine.args(args)...)
}

// number reads the one number of the first row, not valid when there is none.
func (s *Store) number(ctx context.Context, query string, args ...any) (n sql.NullInt64, err error) {
	rows, err := s.read(ctx, query, args...)
	return n, s.each(rows, err, func(rows *sql.Rows) error { return rows.Scan(&n) })
}

func (s *Store) prepared(query string) (*sql.Stmt, error) {
	s.statements.mu.Lock()
	defer s.statements.mu.Unlock()
	if stmt, ok := s.statements.stmt[query]; ok {
		return stmt, nil
	}
	// Prepared once for all: not with the context of whoever comes first.
	stmt, err := s.reader.PrepareContext(context.Background(), s.engine.sql(query))
	if err != nil {
		return nil, err
	}
	if s.statements.stmt == nil {
		s.statements.stmt = make(map[string]*sql.Stmt)
	}
	s.statements.stmt[query] = stmt
	return stmt, nil
}

// each calls fn for every row of a read.
func (s *Store) each(rows *sql.Rows, err error, fn func(*sql.Rows) error) error {
	if err = eachRow(rows, err, fn); err != nil {
		return s.engine.doubt(err)
	}
	return nil
}
