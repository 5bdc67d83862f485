package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/config/configtls"
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

// Defaults gives the default of every key as YAML writes it, by reflection over
// Default and over a source that has everything.
func Defaults() map[string]string {
	cfg := Default()
	jwt, header, source := defaultJWT(), defaultHeader(), defaultSource()
	jwt.SecretEnvs = cfg.Sources[DefaultSource].Auth.JWT.SecretEnvs
	source.Auth = Auth{JWT: &jwt, Header: &header, Basic: &Basic{}}
	source.HeaderAttributes = map[string]HeaderAttribute{"*": {}}
	cfg.Sources = map[string]Source{"*": source}
	cfg.Mapping.CustomData = []CustomData{{}}
	cfg.Mapping.Redact = []Redaction{{}}

	defaults := map[string]string{
		"sources.*":                       DefaultSource,
		"webhook.tls.*":                   "",
		"webhook.tls.cert_file":           cfg.Webhook.TLS.CertFile,
		"webhook.tls.key_file":            cfg.Webhook.TLS.KeyFile,
		"webhook.tls.client_ca_file":      cfg.Webhook.TLS.ClientCAFile,
		"webhook.tls.reload_interval":     shortDuration(cfg.Webhook.TLS.ReloadInterval),
		"mapping.custom_data[].key":       "",
		"mapping.custom_data[].attribute": "",
	}
	collect(defaults, "", reflect.ValueOf(cfg))
	return defaults
}

func collect(into map[string]string, key string, value reflect.Value) {
	switch v := value.Interface().(type) {
	case configtls.ServerConfig:
		return // the Collector's own; the keys that matter here are listed
	case time.Duration:
		into[key] = shortDuration(v)
		return
	}
	switch {
	case value.Kind() == reflect.Pointer:
		collect(into, key, value.Elem())
	case value.Kind() == reflect.Struct:
		for i := range value.NumField() {
			collect(into, join(key, value.Type().Field(i).Tag.Get("mapstructure")), value.Field(i))
		}
	case holdsStructs(value):
		collectElements(into, key, value)
	default:
		into[key] = scalar(value)
	}
}

func holdsStructs(value reflect.Value) bool {
	return slices.Contains([]reflect.Kind{reflect.Map, reflect.Slice}, value.Kind()) && value.Type().Elem().Kind() == reflect.Struct
}

func collectElements(into map[string]string, key string, value reflect.Value) {
	if value.Kind() == reflect.Slice {
		for i := range value.Len() {
			collect(into, key+"[]", value.Index(i))
		}
		return
	}
	for entries := value.MapRange(); entries.Next(); {
		collect(into, key+"."+entries.Key().String(), entries.Value())
	}
}

func scalar(value reflect.Value) string {
	switch value.Kind() {
	case reflect.Slice:
		items := make([]string, value.Len())
		for i := range items {
			items[i] = fmt.Sprint(value.Index(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.Map:
		return "{}"
	}
	return fmt.Sprint(value)
}

// Markdown is the reference as a table, of the keys below section ("" for all).
func Markdown(section string) string {
	var b strings.Builder
	b.WriteString("| key | default | meaning | when it is wrong |\n|---|---|---|---|\n")
	for _, row := range Rows() {
		if section != "" && row.Key != section && !strings.HasPrefix(row.Key, section+".") {
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
