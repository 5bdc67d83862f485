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
	stmt, err := s.prepared(ctx, query)
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

// prepared is outside of the lock while it asks a database, which may not answer: nobody
// waits for somebody else's patience.
func (s *Store) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt := s.statements.of(query); stmt != nil {
		return stmt, nil
	}
	stmt, err := s.reader.PrepareContext(ctx, s.engine.sql(query))
	if err != nil {
		return nil, err
	}
	return s.statements.keep(query, stmt), nil
}

func (s *statements) of(query string) *sql.Stmt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stmt[query]
}

// keep keeps the first that was prepared.
func (s *statements) keep(query string, stmt *sql.Stmt) *sql.Stmt {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first := s.stmt[query]; first != nil {
		_ = stmt.Close() // nobody else has it
		return first
	}
	if s.stmt == nil {
		s.stmt = make(map[string]*sql.Stmt)
	}
	s.stmt[query] = stmt
	return stmt
}

// each calls fn for every row of a read.
func (s *Store) each(rows *sql.Rows, err error, fn func(*sql.Rows) error) error {
	if err = eachRow(rows, err, fn); err != nil {
		return s.engine.doubt(err)
	}
	return nil
}
