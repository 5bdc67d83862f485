package mapping

import "testing"

func TestANameHasTheFormOfItsKindOrIsOther(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind string
		form nameForm
		kept []string
		not  []string
	}{
		{
			"language", languageName,
			[]string{"", "en", "en-US", "pt_BR", "zh-Hans-CN", "de-1996"},
			[]string{"+15555550100", "en 555-555-0100", "en-5555550", "my name is Alice", "alice@example.net", "e", "en-"},
		},
		{
			"response type", typeName,
			[]string{"", "text", "connect_to_agent", "conversational_search", "user-defined", "responseType2"},
			[]string{"15555550100", "text_5555550100", "text 1", "my name is Alice", "a@b", "text_", "sip:a"},
		},
		{
			"model", modelName,
			[]string{"", "ibm/granite-3-8b-instruct", "gpt-4o-2024-08-06", "claude-3-5-sonnet-20241022", "vendor/m@1", "a.b:0"},
			[]string{"+15555550100", "gpt-5555550100", "model of Alice", "-model", "gpt-20249922", "gpt-2024102255"},
		},
		{
			"label", labelName,
			[]string{
				"", "Phone", "Web chat", "Facebook Messenger", "IBM Voice Gateway/1.0.7.0", "User SIP Phone", "draft", "v7",
				"Kanal für Verträge", "f7b1d2c3-6e48-4a0b-9c5d-1e2f3a4b5c6d", "release of 2026-11-30",
			},
			[]string{"+15555550100", "Phone 555 555 0100", "my name is Alice and I live here", "alice@example.net", "a\nb", "a\x00", " a"},
		},
	} {
		for _, name := range c.kept {
			if got := c.form.named(name); got != name {
				t.Errorf("%s %q became %q, want it kept", c.kind, name, got)
			}
		}
		for _, name := range c.not {
			if got := c.form.named(name); got != other {
				t.Errorf("%s %q became %q, want %s", c.kind, name, got, other)
			}
		}
	}
}

func TestATitleLosesItsNumbers(t *testing.T) {
	t.Parallel()
	p := &policy{}
	for title, want := range map[string]string{
		"I want to pay my bill":                       "I want to pay my bill",
		"Call +1 (555) 555-0100 back":                 "Call [number] back",
		"555.555.01":                                  "[number]",
		"555_555_0100":                                "[number]",
		"5\u200b5\u200b5\u200b5\u200b5\u200b5\u200b5": "[number]",
		"٥٥٥٥٥٥٠١٠٠":                                  "[number]",
		"transaction id: a5555550100":                 "transaction id: a[number]",
		"Offers of 2026-12-01, step 3 of 10":          "Offers of 2026-12-01, step 3 of 10",
		"action_202_intent_1":                         "action_202_intent_1",
		"f7b1d2c3-6e48-4a0b-9c5d-1e2f3a4b5c6d":        "f7b1d2c3-6e48-4a0b-9c5d-1e2f3a4b5c6d",
		"11111111-2222-4333-8444-555555555555":        "11111111-2222-4333-8444-555555555555",
		"CA5ef8732a3c49700934481addd5ce1659":          "CA5ef8732a3c49700934481addd5ce1659",
		"12345678901234567890123456789012":            "[number]",
		"deadbeef15555550100":                         "deadbeef[number]",
		"a555555010012345":                            "[number]",
	} {
		if got := p.title(title); got != want {
			t.Errorf("title %q became %q, want %q", title, got, want)
		}
	}
}
