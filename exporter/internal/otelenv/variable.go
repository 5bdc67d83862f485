// Package otelenv reads the environment variables that OpenTelemetry has for every
// program, and those that name a proxy. A value that makes no sense is an error that
// names its variable, where an SDK would carry on without it.
package otelenv

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Problem is what is wrong with one variable, or what it will not do.
type Problem struct {
	Variable string
	Err      error // what is wrong and what to do; it quotes no secret
}

func (p *Problem) Error() string { return p.Variable + ": " + p.Err.Error() }
func (p *Problem) Unwrap() error { return p.Err }

// Errorf makes a Problem.
func Errorf(variable, format string, args ...any) error {
	return &Problem{variable, fmt.Errorf(format, args...)}
}

// Problems are those in a tree of joined errors, in order, each once. Signals share
// most of their variables.
func Problems(err error) []*Problem {
	var all []*Problem
	seen := map[string]bool{}
	for _, p := range problemsIn(err) {
		if !seen[p.Error()] {
			seen[p.Error()] = true
			all = append(all, p)
		}
	}
	return all
}

func problemsIn(err error) (all []*Problem) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, each := range joined.Unwrap() {
			all = append(all, problemsIn(each)...)
		}
		return all
	}
	var p *Problem
	if errors.As(err, &p) {
		all = append(all, p)
	}
	return all
}

// OneOf reads an enum, in any case as the specification asks. The first known value
// is the default.
func OneOf(value string, known ...string) (string, error) {
	if value = strings.TrimSpace(value); value == "" {
		return known[0], nil
	}
	for _, k := range known {
		if strings.EqualFold(value, k) {
			return k, nil
		}
	}
	return known[0], fmt.Errorf("%q is not one of %s", value, strings.Join(known, ", "))
}

// Boolean reads true or false, in any case; unset is false.
func Boolean(value string) (bool, error) {
	value, err := OneOf(value, "false", "true")
	return value == "true", err
}

// Milliseconds reads a duration above 0; unset is 0.
func Milliseconds(value string) (time.Duration, error) {
	if value = strings.TrimSpace(value); value == "" {
		return 0, nil
	}
	ms, err := strconv.ParseInt(value, 10, 32)
	if err != nil || ms <= 0 {
		return 0, fmt.Errorf("%q is not a number of milliseconds above 0", value)
	}
	return time.Duration(ms) * time.Millisecond, nil
}
