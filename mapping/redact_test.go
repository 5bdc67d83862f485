package mapping

import (
	"strings"
	"testing"
)

func TestAWrongRuleIsNamed(t *testing.T) {
	t.Parallel()
	for want, rule := range map[string]Redaction{
		"redact[1]: pattern: error parsing regexp":           {Pattern: "a(b"},
		"redact[1]: pattern: error parsing regexp: invalid ": {Pattern: `(?=\d)`},
		`redact[1]: pattern: "\\d*" matches the empty text`:  {Pattern: `\d*`},
		`redact[1]: pattern: "" matches the empty text`:      {},
		"redact[1]: replace: not valid UTF-8":                {Pattern: "a", Replace: "\xff"},
	} {
		_, err := New(Config{Source: "default", Redact: []Redaction{{Pattern: "x"}, rule}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", rule, err, want)
		}
	}
}

func mustRedactor(t testing.TB, rules ...Redaction) redactor {
	t.Helper()
	r, err := newRedactor(rules)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The decoder cuts long texts, and no pattern finds the half of a number.
func TestHalfANumberDoesNotLeaveWhereATextWasCut(t *testing.T) {
	t.Parallel()
	const card = "4111111111111111"
	rule := Redaction{Pattern: `\s*x?(\d{13,19}|\[number\])y?\s*`}
	mapper, err := New(Config{Source: "default", Content: true, Redact: []Redaction{rule}, CustomData: []CustomData{{Key: "/a", Attribute: "wxa.custom.a"}}})
	if err != nil {
		t.Fatal(err)
	}
	for short := range len(card) {
		// Everything before the cut is taken away, so that its end is what is left.
		filled := func(n int) string {
			before := n - len(card) + short
			cards := strings.Repeat(card+" ", before/(len(card)+1))
			return cards + strings.Repeat(" ", before-len(cards)) + card
		}
		name := mustDecodeMessage(t, `{"request":{"input":{"text":"`+filled(maxContentBytes)+`"}},"response":{"output":{"intents":[{"intent":"`+filled(maxNameBytes)+
			`"}],"generic":[{"text":"`+filled(maxContentBytes)+`"}]}}}`)
		late := mapper.Late(LateInput{MessageInput: MessageInput{Message: name}, Parent: SpanRef{End: 1e9}})
		call := mapper.Call(CallInput{CDR: mustDecodeCDR(t, `{"failure_details":"`+strings.ReplaceAll(filled(maxReasonBytes), card, "x41111111111111y")+
			`","injected_custom_data":{"a":"`+filled(4*MaxString)+`"}}`)})
		for _, text := range []string{late.Request.String(), call.Request.String()} {
			if at := strings.Index(text, "411"); at >= 0 {
				t.Fatalf("cut at %d of a number: half of it left: %.40s", short, text[at:])
			}
		}
	}
}

func TestReplacementsDoNotGrowWithoutBound(t *testing.T) {
	t.Parallel()
	double := Redaction{Pattern: "a", Replace: "aaaaaaaa"}
	r := mustRedactor(t, double, double, double)
	if got := r.apply(strings.Repeat("a", maxContentBytes), 0); len(got) > maxRedactedBytes {
		t.Errorf("%d bytes, want at most %d", len(got), maxRedactedBytes)
	}
}

func TestNumbersOfCustomDataAreRedactedAsTheyAreShown(t *testing.T) {
	t.Parallel()
	mapper, err := New(Config{
		Source: "default", Redact: []Redaction{{Pattern: `\d{13,19}`, Replace: "[card]"}},
		CustomData: []CustomData{{Key: "/a", Attribute: "wxa.custom.a", Metric: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for number, want := range map[string]string{
		"4111111111111111": "[card]", "4.111111111111111e15": "[card]", "4111111111111111.0": "[card]", "-1": "", "2.5": "", "true": "",
	} {
		trace := mapper.Call(CallInput{CDR: mustDecodeCDR(t, `{"injected_custom_data":{"a":`+number+`}}`)})
		for _, a := range trace.Request.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0].GetAttributes() {
			if a.GetKey() == "wxa.custom.a" && a.GetValue().GetStringValue() != want {
				t.Errorf("%s: %v, want %q", number, a.GetValue(), want)
			}
		}
		for _, value := range trace.Measured.Values {
			for _, a := range value.Base {
				if got := a.Value.AsString(); a.Key == "wxa.custom.a" && want != "" && got != want {
					t.Errorf("%s: the metric has %q, want %q", number, got, want)
				}
			}
		}
	}
}

// BenchmarkRedact is a rule on a text that it does not match, the usual case.
func BenchmarkRedact(b *testing.B) {
	r := mustRedactor(b, Redaction{Pattern: `\b\d(?:[ -]?\d){12,18}\b`, Replace: "[card]"})
	text := strings.Repeat("I would like to pay my bill of 12 dollars. ", 5)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		r.apply(text, 0)
	}
}
