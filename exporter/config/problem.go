package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
)

// Problem is one thing that is wrong with a configuration, or with the
// environment.
type Problem struct {
	Key  string // path of the key, "webhook.endpoint", or name of the variable; empty for the file itself
	Text string // what is wrong and what to do

	meant  []string // keys that were perhaps meant, of a key that is unknown
	ofName bool     // about the name of the key alone, not about what is in it
}

func (p Problem) String() string {
	if p.Key == "" {
		return p.Text
	}
	return p.Key + ": " + p.Text
}

// Problems are all the things that are wrong, in the order of the file's sections.
// As an error they are one line.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "; ")
}

// Err is nil when there is no problem.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// sort puts the problems of a section together, those of the file first.
func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int { return rank(sectionOf(a.Key)) - rank(sectionOf(b.Key)) })
}

func sectionOf(key string) string {
	name, _, _ := strings.Cut(key, ".")
	return name
}

func (ps *Problems) add(key, format string, args ...any) {
	*ps = append(*ps, Problem{Key: key, Text: fmt.Sprintf(format, args...)})
}

// fileOr is what is wrong with the file that an error names, else otherwise.
func fileOr(err error, otherwise string) string {
	var file *fs.PathError
	if errors.As(err, &file) {
		return file.Path + ": " + unreadable(err)
	}
	return otherwise
}

// unreadable says why a file can't be read and what to do. The path is not in it:
// it is known, or may not be shown.
func unreadable(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file; correct the path"
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("the user of this process (uid %d) may not read it; change its owner or mode", os.Getuid())
	case errors.Is(err, syscall.EISDIR):
		return "it is a directory; name a file in it"
	}
	var failed *fs.PathError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return oneLine(err.Error())
}
