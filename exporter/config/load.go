package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"go.opentelemetry.io/collector/confmap"
)

// Load reads the YAML file at path, expands ${env:NAME} and ${file:PATH},
// decodes it strictly over the defaults and validates it. Without a path it is
// Default. When something is wrong the error is Problems, all of them, and the
// configuration is what could be read.
//
// Secrets are not read here: see ResolveSources and CheckFiles.
func Load(ctx context.Context, path string) (Config, error) {
	if path == "" {
		cfg := Default()
		return cfg, cfg.Validate().Err()
	}
	if _, err := os.Stat(path); err != nil {
		return Default(), Problems{{Text: fmt.Sprintf("config file: %v", err)}}
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return Default(), Problems{{Text: fmt.Sprintf("config file: %v", err)}}
	}
	return load(ctx, "file:"+absolute)
}

func load(ctx context.Context, uri string) (Config, error) {
	expanded := &expansions{main: uri}
	conf, err := resolve(ctx, expanded)
	if err != nil {
		return Default(), expanded.conceal(Problems{{Text: unreadable(err)}})
	}
	cfg, undecoded := decode(conf)
	problems := undecoded
	for _, p := range cfg.Validate() {
		if !undecoded.touch(p.Key) {
			problems = append(problems, p)
		}
	}
	return cfg, expanded.conceal(problems).Err()
}

func resolve(ctx context.Context, x *expansions) (*confmap.Conf, error) {
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs:              []string{x.main},
		ProviderFactories: x.providers(),
		DefaultScheme:     "env",
	})
	if err != nil {
		return nil, err
	}
	conf, err := resolver.Resolve(ctx)
	return conf, errors.Join(err, resolver.Shutdown(ctx))
}

// decode lays the file over the defaults. Sources in the file replace the
// default source: a forgotten one must not stay open.
func decode(conf *confmap.Conf) (Config, Problems) {
	cfg := Default()
	if conf.IsSet("sources") {
		cfg.Sources = nil
	}
	var problems Problems
	if err := conf.Unmarshal(&cfg); err != nil {
		problems.explain("", err)
	}
	return cfg, problems
}

// explain turns the decoder's tree of errors into problems with full keys.
func (ps *Problems) explain(prefix string, err error) {
	switch e := err.(type) {
	case *mapstructure.DecodeError:
		ps.explain(join(prefix, e.Name()), e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, each := range e.Unwrap() {
			ps.explain(prefix, each)
		}
	case interface{ Unwrap() error }:
		ps.explain(prefix, e.Unwrap())
	default:
		ps.explainLeaf(prefix, err.Error())
	}
}

func (ps *Problems) explainLeaf(key, text string) {
	if names, ok := strings.CutPrefix(text, "has invalid keys: "); ok {
		for name := range strings.SplitSeq(names, ", ") {
			ps.add(join(key, name), "unknown key; see docs/configuration.md for those of this release")
		}
		return
	}
	if reason, ok := strings.CutPrefix(text, "time: "); ok {
		ps.add(key, "not a duration (%s); write it like 30s, 5m or 168h", reason)
		return
	}
	ps.add(key, "%s", oneLine(text))
}

var (
	// The decoder names the value an Unmarshal method is called on by its type.
	typeName = regexp.MustCompile(`^config\.\w+$`)
	// It names an element sources[name], where the file says sources.name.
	element = regexp.MustCompile(`\[(\w[^\]]*)\]`)
)

func join(prefix, name string) string {
	if typeName.MatchString(name) {
		name = ""
	}
	name = element.ReplaceAllString(name, ".$1")
	if prefix == "" || name == "" {
		return prefix + name
	}
	return prefix + "." + name
}

// touch tells whether a problem is already known in the section of key: what
// could not be decoded is not validated on top.
func (ps Problems) touch(key string) bool {
	for _, p := range ps {
		if known := section(p.Key); known == section(key) || strings.HasPrefix(known, key+".") {
			return true
		}
	}
	return false
}

func section(key string) string {
	parts := strings.SplitN(key, ".", 3)
	if parts[0] == "sources" && len(parts) > 1 {
		return "sources." + parts[1]
	}
	return parts[0]
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
