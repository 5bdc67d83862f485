package exporter_test

import (
	"encoding/base64"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cdr2otel/exporter/config"
)

// authOption is a key below sources.*.auth, two values of it, and a request that
// only the first refuses: a status of 401 is the key's doing.
type authOption struct {
	key            string
	refuses, takes string
	lines          string
}

func authOptions(goodFile, wrongFile string, now time.Time) []authOption {
	signed := func(claims string) string { return authorized(sign(hs256, claims, "good")) }
	lasting := signed(`{}`)
	expired := signed(fmt.Sprintf(`{"exp":%d}`, now.Add(-30*time.Second).Unix()))
	key := line("X-Key", "good")
	basic := authorized("Basic " + base64.StdEncoding.EncodeToString([]byte("u:good")))
	return []authOption{
		{"jwt.secret_envs", "{jwt: {secret_envs: [CDR2OTEL_TEST_WRONG]}}", "{jwt: {secret_envs: [CDR2OTEL_TEST_WRONG, CDR2OTEL_TEST_GOOD]}}", lasting},
		{"jwt.secret_files", "{jwt: {secret_files: [" + wrongFile + "]}}", "{jwt: {secret_files: [" + wrongFile + ", " + goodFile + "]}}", lasting},
		{"jwt.secrets", "{jwt: {secrets: [wrong]}}", "{jwt: {secrets: [wrong, good]}}", lasting},
		{"jwt.algorithms", "{jwt: {secrets: [good], algorithms: [HS512]}}", "{jwt: {secrets: [good], algorithms: [HS512, HS256]}}", lasting},
		{"jwt.leeway", "{jwt: {secrets: [good], leeway: 30s}}", "{jwt: {secrets: [good], leeway: 31s}}", expired},
		{"jwt.require_exp", "{jwt: {secrets: [good], require_exp: true}}", "{jwt: {secrets: [good], require_exp: false}}", lasting},
		{"header.name", "{header: {name: X-Other, values: [good]}}", "{header: {name: X-Key, values: [good]}}", key},
		{"header.value_envs", "{header: {name: X-Key, value_envs: [CDR2OTEL_TEST_WRONG]}}", "{header: {name: X-Key, value_envs: [CDR2OTEL_TEST_GOOD]}}", key},
		{"header.value_files", "{header: {name: X-Key, value_files: [" + wrongFile + "]}}", "{header: {name: X-Key, value_files: [" + goodFile + "]}}", key},
		{"header.values", "{header: {name: X-Key, values: [wrong]}}", "{header: {name: X-Key, values: [wrong, good]}}", key},
		{"basic.username", "{basic: {username: v, passwords: [good]}}", "{basic: {username: u, passwords: [good]}}", basic},
		{"basic.password_envs", "{basic: {username: u, password_envs: [CDR2OTEL_TEST_WRONG]}}", "{basic: {username: u, password_envs: [CDR2OTEL_TEST_GOOD]}}", basic},
		{"basic.password_files", "{basic: {username: u, password_files: [" + wrongFile + "]}}", "{basic: {username: u, password_files: [" + goodFile + "]}}", basic},
		{"basic.passwords", "{basic: {username: u, passwords: [wrong]}}", "{basic: {username: u, passwords: [wrong, good]}}", basic},
		{"none", "{jwt: {secrets: [good]}}", "{none: true}", ""},
	}
}

// Not parallel: it sets the environment.
func TestEachAuthOptionRefusesWhatPassesWithoutIt(t *testing.T) {
	t.Setenv("CDR2OTEL_TEST_GOOD", "good")
	t.Setenv("CDR2OTEL_TEST_WRONG", "wrong")
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	options := authOptions(secretFile(t, "good"), secretFile(t, "wrong"), now)
	for _, row := range config.Reference {
		key, ok := strings.CutPrefix(row.Key, "sources.*.auth.")
		if ok && !slices.ContainsFunc(options, func(o authOption) bool { return o.key == key }) {
			t.Errorf("%s has no case here", row.Key)
		}
	}
	var sources strings.Builder
	for i, tt := range options {
		fmt.Fprintf(&sources, "  refuses%d: {auth: %s}\n  takes%d: {auth: %s}\n", i, tt.refuses, i, tt.takes)
	}
	cfg, err := loaded(t, sources.String())
	if err != nil {
		t.Fatal(err)
	}
	opts := off()
	opts.Now = func() time.Time { return now }
	s := start(t, cfg, opts)
	for i, tt := range options {
		for path, want := range map[string]int{"refuses": http.StatusUnauthorized, "takes": http.StatusOK} {
			path = fmt.Sprint(path, i)
			if got := say(t, s.address(t), post("/webhook/"+path, tt.lines, hook(path))); got.status != want {
				t.Errorf("%s: the source %s answers %d, want %d", tt.key, path, got.status, want)
			}
		}
	}
	if n := s.taken(t); n != int64(len(options)) {
		t.Errorf("%d events were stored, want %d", n, len(options))
	}
}

// covered names for each key of the configuration the test that fails when the key
// is read and ignored, or says why it is none of security.
var covered = map[string]string{
	"webhook.tls.cert_file":         "TestTheWebhookListenerSpeaksHTTPSWithItsCertificate",
	"webhook.tls.key_file":          "TestTheWebhookListenerSpeaksHTTPSWithItsCertificate",
	"webhook.tls.client_ca_file":    "TestOnlyClientsOfTheConfiguredAuthorityGetIn",
	"webhook.tls.reload_interval":   "TestARenewedCertificateIsServedWithoutARestart",
	"webhook.tls.*":                 "TestTheLowestTLSVersionIsTheConfiguredOne",
	"webhook.max_request_body_size": "TestABodyAboveItsLimitIsRefused",
	"webhook.max_in_flight":         "TestAboveMaxInFlightAWebhookFindsNoPlace",
	"webhook.trusted_proxies":       "TestOnlyATrustedProxyNamesTheClient",

	"sources.*.auth.*":                        "TestEachAuthOptionRefusesWhatPassesWithoutIt",
	"sources.*.header_attributes.*.attribute": "TestOnlyListedHeaderValuesLeave",
	"sources.*.header_attributes.*.values":    "TestOnlyListedHeaderValuesLeave",

	"mapping.content":                 "TestContentLeavesOnlyWhenTheConfigurationOrItsAliasSaysSo",
	"mapping.dtmf_digits":             "TestKeysLeaveOnlyWhenOptedInAndTheStartWarnsOfThem",
	"mapping.redact[].pattern":        "TestRulesRedactWhatLeavesInTheirOrder",
	"mapping.redact[].replace":        "TestRulesRedactWhatLeavesInTheirOrder",
	"mapping.pii":                     "TestEachPersonalDatumLeavesOnlyWhenItIsNamed",
	"mapping.caller_hash_key_file":    "TestTheCallerHashDependsOnItsKey",
	"mapping.hash_ids":                "TestAnIdWithANumberIsMaskedOnThePagesAndFoundByLookup",
	"mapping.custom_data[].key":       "TestOnlyListedCustomDataLeave",
	"mapping.custom_data[].attribute": "TestOnlyListedCustomDataLeave",

	"store.url":                       "TestThePasswordOfTheDatabaseIsNowhere",
	"store.allow_asynchronous_commit": "TestADatabaseThatCommitsAsynchronouslyIsTakenOnlyWhenTheConfigurationAllowsIt",
	"store.keep_bodies":               "TestBodiesStayOnTheDiskOnlyAsLongAsTheConfigurationSays",

	"health.endpoint":  "TestEachListenerServesItsOwnPagesOnly",
	"admin.endpoint":   "TestEachListenerServesItsOwnPagesOnly",
	"admin.web_config": "TestTheAdminListenerAsksForThePasswordOfItsWebConfig",
	"admin.pprof":      "TestTheAdminListenerAsksForThePasswordOfItsWebConfig",
	"admin.trace_url":  "none: where links lead is the operator's word",

	"webhook.endpoint": "none: where it listens is no promise",
	"webhook.path":     "none: a path is no secret",
	"sources.*":        "none: a name is no secret",
}

// noneOfSecurity are sections that say when and how, not who and what.
var noneOfSecurity = []string{
	"sources.*.resource", "sources.*.agents", "sources.*.messages", "correlation.", "mapping.events", "mapping.custom_data[].metric", "mapping.slow",
	"mapping.dead_air", "mapping.upstream_link", "metrics.", "store.", "shutdown_",
}

// A new key of the configuration needs a test that it does what it promises, or a
// reason here why nobody gets in or out by it.
func TestEachSecurityOptionHasATestThatFailsWhenItIsIgnored(t *testing.T) {
	t.Parallel()
	tests := testsOfThisPackage(t)
	named := 0
	for _, row := range config.Reference {
		test, ok := covered[row.Key]
		if !ok && strings.HasPrefix(row.Key, "sources.*.auth.") {
			test, ok = covered["sources.*.auth.*"], true
		}
		switch {
		case ok && strings.HasPrefix(test, "none: "):
		case ok && slices.Contains(tests, test):
			named++
		case ok:
			t.Errorf("%s is covered by %s, which is not here", row.Key, test)
		case !slices.ContainsFunc(noneOfSecurity, func(section string) bool { return strings.HasPrefix(row.Key, section) }):
			t.Errorf("%s: name the test that fails when it is ignored", row.Key)
		}
	}
	t.Logf("%d keys, %d of them with a test that fails when they are ignored", len(config.Reference), named)
}

// testsOfThisPackage are the names of its test functions.
func testsOfThisPackage(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range parsed.Decls {
			if f, ok := declared.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}
