package store

import (
	"slices"
	"strings"
)

// Name is what a person calls the store of a URL: the file, or host and database. It
// holds no password.
func Name(url string) string {
	if !isPostgres(url) {
		path, err := sqlitePath(url)
		if err != nil {
			return "unknown"
		}
		return "sqlite:" + path
	}
	cfg, err := postgresConfig(url)
	if err != nil {
		return "unknown"
	}
	hosts := []string{address(cfg.Host, cfg.Port)}
	for _, other := range cfg.Fallbacks { // the same one with another kind of TLS, or another one
		if host := address(other.Host, other.Port); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return "postgres:" + strings.Join(hosts, ",") + "/" + cfg.Database
}
