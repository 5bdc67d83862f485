package mapping_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cdr2otel/mapping"
)

// live measures one message and returns its values of a metric.
func live(t *testing.T, message mapping.Message, metric string) (values []mapping.Measurement) {
	t.Helper()
	in := mapping.MessageInput{Message: &message, ReceivedAt: at(0).Time.Add(time.Hour)}
	for _, value := range defaultMapper(t).Message(in, nil).Values {
		if value.Metric == metric {
			values = append(values, value)
		}
	}
	return values
}

func TestAPhoneMessagePredictsTheSpanOfItsTurn(t *testing.T) {
	t.Parallel()
	mapper := defaultMapper(t)
	message := mapping.Message{LogID: "a/b", SIPCallID: "call", Phone: true, SessionID: "s"}
	got := mapper.Message(mapping.MessageInput{Message: &message}, nil)
	trace := mapping.NewTraceID("default", mapping.SeedSIPCallID, "call")
	if got.TraceID != trace {
		t.Errorf("trace %v, want %v", got.TraceID, trace)
	}
	if want := trace.Span(mapping.AssistantPath(mapping.TurnPath("a/b"))); got.Values[0].SpanID != want {
		t.Errorf("span %v, want %v", got.Values[0].SpanID, want)
	}
	for name, other := range map[string]mapping.Message{
		"no log id": {SIPCallID: "call", Phone: true},
		"no call":   {LogID: "a/b", SessionID: "s"},
	} {
		if got := mapper.Message(mapping.MessageInput{Message: &other}, nil); !got.Values[0].SpanID.IsZero() {
			t.Errorf("%s: span %v", name, got.Values[0].SpanID)
		}
	}
}

func TestChannelsAreCountedByTheirDocumentedName(t *testing.T) {
	t.Parallel()
	for channel, want := range map[string]any{
		"Phone": "Phone", "PHONE": "Phone", "Web chat": "Web chat", "WhatsApp": "Whatsapp", "teams": "teams",
		"Facebook Messenger": "Facebook Messenger", "Carrier pigeon": "_OTHER", "": nil,
	} {
		value := live(t, mapping.Message{Channel: channel}, mapping.MetricMessages)[0]
		if got := attributesOf(value)["wxa.message.channel"]; got != want {
			t.Errorf("%q is counted as %v, want %v", channel, got, want)
		}
	}
	value := live(t, mapping.Message{Phone: true}, mapping.MetricMessages)[0]
	if got := attributesOf(value)["wxa.message.channel"]; got != "Phone" {
		t.Errorf("a message of a call is counted as %v", got)
	}
}

func TestTheAssistantsOwnTimeNeedsBothOfItsInstants(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		request, response mapping.Instant
		want              []float64
	}{
		"both":             {at(100), at(350), []float64{0.25}},
		"no request":       {mapping.Instant{}, at(350), nil},
		"no response":      {at(100), mapping.Instant{}, nil},
		"the wrong way":    {at(350), at(100), nil},
		"at once":          {at(100), at(100), nil},
		"ten years apart":  {at(100), mapping.Instant{Time: at(350).Time.AddDate(10, 0, 0)}, nil},
		"ten years before": {at(100), mapping.Instant{Time: at(350).Time.AddDate(-10, 0, 0)}, nil},
	} {
		var got []float64
		for _, value := range live(t, mapping.Message{RequestAt: test.request, ResponseAt: test.response}, mapping.MetricAssistantProcessing) {
			got = append(got, value.Value)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestAMessageIsOfTheEnvironmentItsHeaderNames(t *testing.T) {
	t.Parallel()
	mapper, err := mapping.New(mapping.Config{
		Source:   "default",
		Resource: map[string]string{"deployment.environment.name": "live"},
		HeaderAttributes: map[string]mapping.HeaderAttribute{
			"x-environment": {Attribute: "deployment.environment.name", Values: []string{"draft", "live"}},
			"x-team":        {Attribute: "team", Values: []string{"voice"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{"draft": "draft", "": "live", "whatever": "live"} {
		headers := map[string]string{"x-environment": header, "x-team": "voice"}
		call := mapper.Call(mapping.CallInput{CDR: &mapping.CDR{}, Headers: headers})
		message := mapper.Message(mapping.MessageInput{Message: &mapping.Message{}}, headers)
		for _, measured := range []mapping.Measurements{call.Measured, message} {
			if got := attributesOf(measured.Values[0])["deployment.environment.name"]; got != want {
				t.Errorf("%q: %v, want %s", header, got, want)
			}
		}
		resource := call.Request.GetResourceSpans()[0].GetResource().GetAttributes()
		if got := resource[0].GetValue().GetStringValue(); resource[0].GetKey() != "deployment.environment.name" || got != want {
			t.Errorf("%q: the resource says %v", header, resource[0])
		}
	}
}
