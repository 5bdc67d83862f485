package config

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v3"
)

const schemaPath = "../../docs/cdr2otel.schema.json"

// madeSchema is what Schema prints, read by another's reader.
func madeSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	printed, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	read := &jsonschema.Schema{}
	if err := json.Unmarshal(printed, read); err != nil {
		t.Fatal(err)
	}
	return read
}

func TestTheSchemaOfTheDocumentsIsThatOfTheCode(t *testing.T) {
	t.Parallel()
	want, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaPath, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(schemaPath)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs from the code; make docs-update rewrites it:\n%s", schemaPath, diff)
	}
}

func TestTheSchemaHasEveryKeyOfTheReferenceAndNoOther(t *testing.T) {
	t.Parallel()
	found := map[string]string{"sources.*": "", keyTLSRest: ""}
	keysOf(madeSchema(t), "", found)
	rows := map[string]Row{}
	for _, row := range Reference {
		rows[row.Key] = row
		description, ok := found[row.Key]
		if !ok {
			t.Errorf("the schema lacks %s", row.Key)
		} else if row.Key != "sources.*" && row.Key != keyTLSRest && !strings.HasPrefix(description, row.Doc) {
			t.Errorf("%s: the schema says %q, the reference %q", row.Key, description, row.Doc)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		if _, ok := rows[key]; !ok && !strings.HasPrefix(key, keyTLS) {
			t.Errorf("the reference lacks %s of the schema", key)
		}
	}
}

// keysOf collects the keys that hold plain values, with their descriptions.
func keysOf(s *jsonschema.Schema, key string, into map[string]string) {
	object := s
	for _, alternative := range s.AnyOf {
		if alternative.Ref == "" {
			object = alternative
		}
	}
	elements := map[string]*jsonschema.Schema{"[]": object.Items}
	if each := object.AdditionalProperties; each != nil && each.Not == nil {
		elements[".*"] = each
	}
	nested := false
	for suffix, each := range elements {
		if each != nil && (len(each.AnyOf) > 0 && each.AnyOf[0].Properties != nil) {
			nested = true
			keysOf(each, key+suffix, into)
		}
	}
	for name, each := range object.Properties {
		nested = true
		keysOf(each, join(key, name), into)
	}
	if !nested {
		into[key] = s.Description
	}
}

// checker returns what tells what the schema says of a file.
func checker(t *testing.T) func(content string) error {
	t.Helper()
	resolved, err := madeSchema(t).Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
	if err != nil {
		t.Fatal(err)
	}
	return func(content string) error { return resolved.Validate(asJSON(t, content)) }
}

// asJSON is YAML as a JSON decoder would read it.
func asJSON(t *testing.T, content string) (value any) {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal([]byte(content), &doc); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(encoded, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestTheSchemaTakesWhatIsShipped(t *testing.T) {
	t.Parallel()
	validates := checker(t)
	paths := []string{"testdata/everything.yaml"}
	err := filepath.WalkDir("../../examples", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == "cdr2otel.yaml" {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) < 4 {
		t.Fatalf("found %v, %v", paths, err)
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := validates(string(content)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	effective, err := Default().Redacted()
	if err != nil {
		t.Fatal(err)
	}
	if err := validates(string(effective)); err != nil {
		t.Errorf("the defaults, as validate prints them: %v", err)
	}
}

func TestTheSchemaAndTheLoaderAgree(t *testing.T) {
	t.Setenv("CDR2OTEL_TEST_VALUE", "30s")
	validates := checker(t)
	const jwt = "sources: {live: {auth: {jwt: {secrets: [x]}}, "
	for _, yaml := range []string{
		"", "webhook:", "correlation: {grace: 0, window: 1h30m, chat_idle: 1.5h}", "correlation: {grace: \"${env:CDR2OTEL_TEST_VALUE}\"}",
		"store: {max_size: 1 GiB}", "store: {max_size: 500000000}", "store: {max_size: 50MB, url: postgres://u@h/d}", "mapping: {content: true, pii: []}",
		"admin: {endpoint: \"[::1]:0\", trace_url: \"\"}", jwt + "messages: none}}", "webhook: {tls: {min_version: \"1.3\", cert_file: a, key_file: b}}",
	} {
		if err := validates(yaml); err != nil {
			t.Errorf("%s is refused by the schema: %v", yaml, err)
		}
		if problems := problemsOf(t, yaml); problems != "" {
			t.Errorf("%s is refused by the loader: %v", yaml, problems)
		}
	}
	for _, yaml := range []string{
		"[]", "banana: 1", "webhook: 8080", "webhook: {endpont: x}", "webhook: {endpoint: localhost}", "webhook: {path: webhook}", "webhook: {path: /a/}",
		"webhook: {path: 8080}", "webhook: {max_in_flight: many}", "webhook: {max_in_flight: -1}", "webhook: {trusted_proxies: {a: b}}", "webhook: {tls: {cert: x}}",
		"sources: {}", "sources: [live]", "sources: {Live: {auth: {none: true}}}", "sources: {live: {}}", "sources: {live: {auth: {}}}",
		"sources: {live: {auth: {jwt: {secret: x}}}}", "sources: {live: {auth: {jwt: {secrets: [12345]}}}}", "sources: {live: {auth: {jwt: {secrets: [x], algorithms: [RS256]}}}}",
		"sources: {live: {auth: {basic: {passwords: [x]}}}}", "sources: {live: {auth: {none: maybe}}}", jwt + "messages: maybe}}", jwt + "agents: {a: 1}}}",
		jwt + "header_attributes: {x: {attribute: a}}}}", "correlation: {grace: 30}", "correlation: {grace: soon}", "correlation: {late: never}",
		"mapping: {content: maybe}", "mapping: {pii: [name]}", "mapping: {redact: [{replace: x}]}", "mapping: {redact: [x]}", "mapping: {custom_data: [{key: a, attribute: wxa.custom.a}]}",
		"store: {max_size: lots}", "store: {url: \"mysql://x\"}", "store: {allow_asynchronous_commit: 1}", "health: {endpoint: \"0.0.0.0\"}", "admin: {trace_url: x}",
		"shutdown_delay: [1]",
	} {
		if err := validates(yaml); err == nil {
			t.Errorf("%s is taken by the schema", yaml)
		}
		if problemsOf(t, yaml) == "" {
			t.Errorf("%s is taken by the loader", yaml)
		}
	}
}
