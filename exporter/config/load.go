package config

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

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
	content, err := os.ReadFile(path)
	if err != nil {
		return Default(), Problems{{Text: fmt.Sprintf("config file %s: %s", path, unreadable(err))}}
	}
	cfg, problems := load(ctx, content)
	for i := range problems {
		if problems[i].Key == "" { // of the file as a whole
			problems[i].Text = fmt.Sprintf("config file %s: %s", path, problems[i].Text)
		}
	}
	return cfg, problems.Err()
}

// examination is one file under way.
type examination struct {
	doc      map[string]any // as the file says it, before expansion
	problems Problems
}

// load is Load of a file's content.
func load(ctx context.Context, content []byte) (Config, Problems) {
	doc, problems := parse(content)
	if doc == nil {
		return Default(), problems
	}
	expanded := &expansions{}
	x := &examination{problems: problems}
	x.doc = expanded.leaveOut(ctx, &x.problems, doc)
	conf, err := expanded.expand(ctx, x.doc)
	if err != nil {
		return Default(), expanded.conceal(append(x.problems, Problem{Text: inExpansion(err)}))
	}
	x.checkKeys(wholeShape(), nil, conf.ToStringMap())
	cfg := x.decode(conf)
	x.problems = x.problems.with(cfg.Validate())
	return cfg, expanded.conceal(x.problems)
}

// Check is Load and, whatever Load found, CheckFiles: all problems at once.
func Check(ctx context.Context, path string) (Config, Problems) {
	cfg, err := Load(ctx, path)
	problems, _ := err.(Problems)
	if slices.ContainsFunc(problems, func(p Problem) bool { return p.Key == "" }) {
		return cfg, problems // of the file as a whole: what it points at is not known
	}
	return cfg, problems.with(cfg.CheckFiles(ctx))
}

// with adds what was found later, but for what only follows from what is known, in
// the order of the file's sections.
func (ps Problems) with(later Problems) Problems {
	known := ps
	for _, p := range later {
		if p.ofName || !known.cause(p.Key) {
			ps = append(ps, p)
		}
	}
	ps.sort()
	return ps
}

// decode lays the file over the defaults. Sources in the file replace the
// default source: a forgotten one must not stay open.
func (x *examination) decode(conf *confmap.Conf) Config {
	cfg := Default()
	if conf.IsSet("sources") {
		cfg.Sources = nil
	}
	// Unknown keys were found, with what was perhaps meant.
	err := conf.Unmarshal(&cfg, confmap.WithIgnoreUnused())
	if err == nil {
		return cfg
	}
	known := len(x.problems)
	x.explain(nil, err)
	// What is beside a value of the wrong type is read as if that were left out.
	rest := conf.ToStringMap()
	for _, p := range x.problems[known:] {
		leaveOut(rest, p.Key)
	}
	cfg = Default()
	if conf.IsSet("sources") {
		cfg.Sources = nil
	}
	_ = confmap.NewFromStringMap(rest).Unmarshal(&cfg, confmap.WithIgnoreUnused()) // explained above
	return cfg
}

// leaveOut removes a key from a map of maps; of a list the whole list. Names of keys
// may have dots in them.
func leaveOut(from map[string]any, key string) {
	for name, value := range from {
		rest, found := strings.CutPrefix(key, name)
		switch below, isMap := value.(map[string]any); {
		case !found:
		case rest == "" || rest[0] == '[':
			delete(from, name)
		case rest[0] == '.' && isMap:
			leaveOut(below, rest[1:])
		}
	}
}

// cause tells whether a problem at key only follows from one that is known: what could
// not be read is not validated on top.
func (ps Problems) cause(key string) bool {
	for _, p := range ps {
		if p.ofName {
			continue
		}
		for _, known := range append(p.meant, p.Key) {
			if known != "" && (holds(known, key) || holds(key, known)) {
				return true
			}
		}
	}
	return false
}

// holds tells whether key is outer or something in it.
func holds(outer, key string) bool {
	rest, ok := strings.CutPrefix(key, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
