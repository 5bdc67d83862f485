package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"cdr2otel/exporter"
)

// logging are the flags of a command that writes a log to standard error.
type logging struct {
	format logFormat
	level  logLevel
	usual  slog.Level // when neither the flag nor OTEL_LOG_LEVEL is set
}

func (l *logging) flags(c *cobra.Command, usual slog.Level) {
	l.format, l.usual = logText, usual
	c.Flags().Var(&l.format, "log.format", "format of the log: text or json")
	c.Flags().Var(&l.level, "log.level", fmt.Sprintf("lowest level that is logged: %s; without it OTEL_LOG_LEVEL, else %s",
		exporter.LogLevels, strings.ToLower(usual.String())))
}

// logger writes to w. The flag wins over OTEL_LOG_LEVEL.
func (l *logging) logger(w io.Writer) (*slog.Logger, error) {
	level := l.level.Level
	if !l.level.set {
		var err error
		if level, err = exporter.LogLevelFromEnv(os.Getenv, l.usual); err != nil {
			return nil, err
		}
	}
	options := &slog.HandlerOptions{Level: level}
	if l.format == logJSON {
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return slog.New(slog.NewTextHandler(w, options)), nil
}

// logFormat is a flag that accepts only known formats.
type logFormat string

// Formats of the log.
const (
	logText logFormat = "text"
	logJSON logFormat = "json"
)

func (f *logFormat) String() string { return string(*f) }
func (f *logFormat) Type() string   { return "FORMAT" }

func (f *logFormat) Set(text string) error {
	switch format := logFormat(strings.ToLower(text)); format {
	case logText, logJSON:
		*f = format
		return nil
	}
	return errors.New("use text or json")
}

// logLevel is a flag that accepts only known levels.
type logLevel struct {
	slog.Level
	set bool
}

func (l *logLevel) String() string { return "" }
func (l *logLevel) Type() string   { return "LEVEL" }

func (l *logLevel) Set(text string) (err error) {
	l.Level, err = exporter.LogLevel(text)
	l.set = err == nil
	return err
}
