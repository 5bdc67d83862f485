package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"cdr2otel/exporter"
	"cdr2otel/exporter/config"
	"cdr2otel/internal/sample"
)

func readme(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestTheMappingDocumentShowsWhatDemoPrints(t *testing.T) {
	t.Parallel()
	raw, err := sample.Bodies(sample.DemoCalls()[0])
	if err != nil {
		t.Fatal(err)
	}
	read, err := readBodies(raw)
	if err != nil {
		t.Fatal(err)
	}
	none := func(string) string { return "" }
	mapper, err := exporter.Mapper(config.Default(), config.DefaultSource, exporter.Options{Getenv: none})
	if err != nil {
		t.Fatal(err)
	}
	var printed bytes.Buffer
	if err := read.signals(mapper).draw(&printed, mapper.Events()); err != nil {
		t.Fatal(err)
	}
	_, afterHeader, _ := strings.Cut(printed.String(), "\n") // it holds the time of the day
	document, err := os.ReadFile("../../docs/mapping.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(document), "```\n"+afterHeader+"```\n") {
		t.Errorf("docs/mapping.md does not show this:\n%s", afterHeader)
	}
}

func TestTheREADMEListsEveryCommandAndNoOther(t *testing.T) {
	t.Parallel()
	commands := rootCommand().Commands()
	for _, command := range commands {
		if row := fmt.Sprintf("| `cdr2otel %s` | %s |\n", command.Name(), command.Short); !strings.Contains(readme(t), row) {
			t.Errorf("README.md lacks %s", row)
		}
	}
	if rows := strings.Count(readme(t), "\n| `cdr2otel "); rows != len(commands) {
		t.Errorf("README.md has %d commands, the program %d", rows, len(commands))
	}
}
