package config

import (
	"fmt"
	"strings"
	"time"
)

// DocumentedRow is a Row with its true default.
type DocumentedRow struct {
	Row
	Default string
}

// Rows are Reference with the defaults that the code has.
func Rows() []DocumentedRow {
	defaults := Defaults()
	rows := make([]DocumentedRow, len(Reference))
	for i, row := range Reference {
		rows[i] = DocumentedRow{Row: row, Default: defaults[row.Key]}
	}
	return rows
}

// Keys of Reference that stand for others.
const (
	keySources = "sources.*"
	keyTLS     = "webhook.tls."
	keyTLSRest = keyTLS + "*" // the settings of configtls that have no row of their own
)

// Defaults gives the default of every key as YAML writes it.
func Defaults() map[string]string {
	defaults := map[string]string{keySources: DefaultSource, keyTLSRest: ""}
	wholeShape().all(func(s *shape) {
		isOwn := !strings.HasPrefix(s.key, keyTLS) || hasRow(s.key)
		isElement := strings.HasSuffix(s.key, "[]") || strings.HasSuffix(s.key, ".*")
		if s.isLeaf() && isOwn && !isElement {
			defaults[s.key] = s.defaultText()
		}
	})
	return defaults
}

func hasRow(key string) bool {
	_, found := rowOf(key)
	return found
}

func rowOf(key string) (row Row, found bool) {
	for _, row := range Reference {
		if row.Key == key {
			return row, true
		}
	}
	return Row{}, false
}

func (s *shape) defaultText() string {
	switch s.kind {
	case duration:
		return shortDuration(s.value.Interface().(time.Duration))
	case list:
		items := make([]string, s.value.Len())
		for i := range items {
			items[i] = fmt.Sprint(s.value.Index(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case named:
		return "{}"
	}
	return fmt.Sprint(s.value)
}

// Markdown is the reference of the keys below section as a table.
func Markdown(section string) string {
	var b strings.Builder
	b.WriteString("| key | default | meaning | when it is wrong |\n|---|---|---|---|\n")
	for _, row := range Rows() {
		if row.Key != section && !strings.HasPrefix(row.Key, section+".") {
			continue
		}
		value := row.Default
		if value != "" {
			value = "`" + value + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", row.Key, value, row.Doc, row.Breaks)
	}
	return b.String()
}
