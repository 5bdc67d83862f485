package otelenv

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const secret = "hunter2canary"

func env(name, value string) func(string) string {
	return func(asked string) string {
		if asked == name {
			return value
		}
		return ""
	}
}

func TestValuesAreReadInAnyCase(t *testing.T) {
	t.Parallel()
	if got, err := OneOf(" GRPC ", "http/protobuf", "grpc"); got != "grpc" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := OneOf("", "http/protobuf", "grpc"); got != "http/protobuf" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := OneOf("udp", "http/protobuf", "grpc"); err == nil || err.Error() != `"udp" is not one of http/protobuf, grpc` {
		t.Error(err)
	}
	for value, want := range map[string]bool{"": false, "TRUE": true, "true": true, "False": false} {
		if got, err := Boolean(value); got != want || err != nil {
			t.Errorf("%q: %t, %v", value, got, err)
		}
	}
	if got, err := Milliseconds(" 1500 "); got != 1500*time.Millisecond || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	for _, value := range []string{"1m", "0", "-1", "99999999999"} {
		if _, err := Milliseconds(value); err == nil {
			t.Errorf("%s is taken", value)
		}
	}
}

func TestPairsAreDecodedAndWhatIsWrongIsNamedByItsPlace(t *testing.T) {
	t.Parallel()
	got, err := Pairs("V", "a=b=c, x-d=%20e f%09,,service.name=bot,")
	if diff := cmp.Diff([]Pair{{"a", "b=c"}, {"x-d", " e f\t"}, {"service.name", "bot"}}, got); diff != "" || err != nil {
		t.Errorf("%s%v", diff, err)
	}
	for entry, want := range map[string]string{
		secret:                "is not key=value",
		"=" + secret:          "has no key",
		`"a"=` + secret:       "has a key with a quote",
		"a b=" + secret:       "has a key with a quote, a blank",
		"a=%zz" + secret:      "has a value that is not percent-encoded",
		"{a: " + secret + "}": "is not key=value",
	} {
		_, err := Pairs("V", "x=y,"+entry)
		if err == nil || !strings.HasPrefix(err.Error(), "V: entry 2 "+want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", entry, err)
		}
	}
	if _, err := Pairs("V", "a,b,c=d"); strings.Count(fmt.Sprint(err), "V: entry") != 2 {
		t.Errorf("of two wrong entries: %v", err)
	}
}

func TestEndpointsWithoutSchemeAreEncryptedUnlessSaidOtherwise(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Target{
		"http://collector:4317":      {"collector:4317", false},
		"HTTP://collector:4317":      {"collector:4317", false},
		"https://collector:4317":     {"collector:4317", true},
		"HTTPS://collector":          {"collector:443", true},
		"http://collector/":          {"collector:80", false},
		"http://[::1]":               {"[::1]:80", false},
		"collector:4317":             {"collector:4317", true},
		"collector:otlp":             {"collector:otlp", true},
		"dns:///collector:4317":      {"dns:///collector:4317", true},
		"unix:///run/otel.sock":      {"unix:///run/otel.sock", false},
		"Unix:run/otel.sock":         {"unix:run/otel.sock", false},
		"unix-abstract:otel":         {"unix-abstract:otel", false},
		"unix-abstract:///otel:4317": {"unix-abstract:///otel:4317", false},
	} {
		if got, err := GRPCTarget(in, false); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", in, got, err, want)
		}
	}
	if got, err := GRPCTarget("collector:4317", true); err != nil || got.Encrypted {
		t.Errorf("insecure: %+v, %v", got, err)
	}
	if got, err := GRPCTarget("https://collector:4317", true); err != nil || !got.Encrypted {
		t.Errorf("insecure must not weaken https: %+v, %v", got, err)
	}
}

func TestAnEndpointWithAPortThatThereIsNotIsRefused(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"http://c:65536", "http://c:0", "https://c:99999/x", "http://c:port", "http://[::1]:70000", "http://c:4318x"} {
		if _, err := HTTPURL(endpoint); !errors.Is(err, errPort) {
			t.Errorf("HTTP %s: %v", endpoint, err)
		}
		if _, err := GRPCTarget(strings.TrimSuffix(endpoint, "/x"), false); !errors.Is(err, errPort) {
			t.Errorf("gRPC %s: %v", endpoint, err)
		}
	}
	for _, endpoint := range []string{"c:65536", "c:0", "dns:///c:99999", "c:"} {
		if _, err := GRPCTarget(endpoint, false); !errors.Is(err, errPort) {
			t.Errorf("gRPC %s: %v", endpoint, err)
		}
	}
}

func TestAProxyThatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		for _, value := range []string{
			"http://u:" + secret + "@proxy:port", "http://u:" + secret + "%zz@proxy:3128", "http://u:" + secret + "@:3128", "ftp://u:" + secret + "@proxy",
			"http://u:" + secret + "@proxy:99999", "proxy:31 28", "http://", " ",
		} {
			err := CheckProxies(env(name, value))
			if err == nil || !strings.HasPrefix(err.Error(), name+": not the address of a proxy") || strings.Contains(err.Error(), secret) {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
		for _, value := range []string{"", "http://proxy:3128", "proxy:3128", "proxy", "https://u:p@proxy", "socks5://proxy:1080", "socks5h://proxy", "http://[::1]:3128/"} {
			if err := CheckProxies(env(name, value)); err != nil {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
}

func TestVariablesWithoutEffectAreNamed(t *testing.T) {
	t.Parallel()
	for variable, harmless := range map[string]string{
		"OTEL_SDK_DISABLED": "False", "OTEL_CONFIG_FILE": "", "OTEL_EXPERIMENTAL_CONFIG_FILE": "", "OTEL_TRACES_SAMPLER": "parentbased_always_on", "ALL_PROXY": "", "all_proxy": "",
	} {
		if err := Unsupported(env(variable, harmless)); err != nil {
			t.Errorf("%s=%s: %v", variable, harmless, err)
		}
		if err := Unsupported(env(variable, "true")); err == nil || !strings.HasPrefix(err.Error(), variable+": not supported") {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

func TestAProblemThatSignalsShareIsNamedOnce(t *testing.T) {
	t.Parallel()
	one := func() error { return Errorf("A", "wrong") }
	got := Problems(errors.Join(one(), errors.Join(one(), Errorf("B", "wrong")), nil))
	if len(got) != 2 || got[0].Variable != "A" || got[1].Variable != "B" {
		t.Errorf("problems %v", got)
	}
	if got := Problems(nil); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}
