package store

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"fmt"
	"path"
	"slices"
)

//go:embed migrations/postgres/*.sql
var postgresMigrations embed.FS

// migration is one step of the schema, known by its name.
type migration struct{ name, script string }

// migrationsForPostgres are the steps of both engines and PostgreSQL's own, in the
// order of their names.
func migrationsForPostgres() ([]migration, error) {
	var steps []migration
	for _, from := range []struct {
		files embed.FS
		dir   string
	}{{migrations, "migrations"}, {postgresMigrations, "migrations/postgres"}} {
		entries, err := from.files.ReadDir(from.dir)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			if entry.IsDir() {
				continue
			}
			script, err := from.files.ReadFile(path.Join(from.dir, entry.Name()))
			if err != nil {
				return nil, err
			}
			steps = append(steps, migration{entry.Name(), postgresDDL(string(script))})
		}
	}
	slices.SortFunc(steps, func(a, b migration) int { return cmp.Compare(a.name, b.name) })
	return steps, nil
}

// migrate applies what is missing, all in one transaction. Others that start at the
// same time wait for it.
func (p *postgres) migrate(ctx context.Context, conn *sql.Conn) error {
	steps, err := migrationsForPostgres()
	if err != nil {
		return err
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, p.lockID("migrate")); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS migration (name TEXT COLLATE "C" PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())`)
	if err != nil {
		return fmt.Errorf("make the tables: %w: the role needs CREATE on the schema", err)
	}
	applied := make(map[string]bool)
	rows, err := tx.QueryContext(ctx, `SELECT name FROM migration`)
	err = eachRow(rows, err, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		applied[name] = true
		return err
	})
	if err != nil {
		return err
	}
	for _, step := range steps {
		if applied[step.name] {
			delete(applied, step.name)
			continue
		}
		if _, err := tx.ExecContext(ctx, step.script); err != nil {
			return fmt.Errorf("%s: %w: the schema must be of this program alone", step.name, err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO migration (name) VALUES ($1)`, step.name); err != nil {
			return err
		}
	}
	for name := range applied {
		return fmt.Errorf("the tables were made by a later release (%s), nothing was changed: use that release, or give store.url another schema", name)
	}
	return tx.Commit()
}
