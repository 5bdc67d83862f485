package config

import (
	"strings"
	"testing"
)

func TestTheEffectiveConfigurationHoldsNoSecret(t *testing.T) {
	t.Parallel()
	cfg, err := Load(t.Context(), "testdata/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Webhook.TLS.KeyPem = "hunter2"
	cfg.Webhook.TLS.TPMConfig.Auth = "hunter2"
	cfg.Webhook.TLS.TPMConfig.OwnerAuth = "hunter2"
	got, err := cfg.Redacted()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hunter2", "purple unicorn"} {
		if strings.Contains(string(got), secret) {
			t.Errorf("%q left:\n%s", secret, got)
		}
	}
}

func TestTheEffectiveConfigurationCanBeLoadedAgain(t *testing.T) {
	t.Parallel()
	first, err := Default().Redacted()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(t.Context(), write(t, string(first)))
	if err != nil {
		t.Fatalf("%v\n%s", err, first)
	}
	second, err := cfg.Redacted()
	if err != nil {
		t.Fatal(err)
	}
	if string(first) != string(second) {
		t.Errorf("first:\n%s\nsecond:\n%s", first, second)
	}
	for _, want := range []string{"chat_idle: 1h5m\n", "max_size: 10GiB\n", "- CDR2OTEL_WEBHOOK_SECRET\n"} {
		if !strings.Contains(string(first), want) {
			t.Errorf("%q is missing in\n%s", want, first)
		}
	}
	if !strings.HasPrefix(string(first), "webhook:\n  endpoint: ") {
		t.Errorf("not in the order of the reference:\n%s", first)
	}
}

func TestSizesAreReadAndWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Size{"8MiB": 8 * MiB, "10 GiB": 10 * GiB, "1000": 1000, "500kB": 500_000, "64KiB": 64 * KiB} {
		var got, again Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s is %d, %v; want %d", text, got, err, want)
		}
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != want {
			t.Errorf("%s is written %s, which is %d, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "-1", "MiB", "9999999999GiB"} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}
