package exporter

import (
	"errors"
	"log/slog"
	"strings"

	"cdr2otel/exporter/internal/otelenv"
)

// logLevelEnv is the standard variable for the level of a program's own log.
const logLevelEnv = "OTEL_LOG_LEVEL"

// LogLevels are the names of the levels, as LogLevel reads them.
const LogLevels = "debug, info, warn or error"

// LogLevel reads the name of a level, in any case.
func LogLevel(name string) (slog.Level, error) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(name, level.String()) {
			return level, nil
		}
	}
	return 0, errors.New("use " + LogLevels)
}

// LogLevelFromEnv reads OTEL_LOG_LEVEL; usual is the level where it is not set.
func LogLevelFromEnv(getenv func(string) string, usual slog.Level) (slog.Level, error) {
	name := strings.TrimSpace(getenv(logLevelEnv))
	if name == "" {
		return usual, nil
	}
	level, err := LogLevel(name)
	if err != nil {
		return usual, otelenv.Errorf(logLevelEnv, "%q is unknown; %w", name, err)
	}
	return level, nil
}
