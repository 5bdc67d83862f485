package telemetry

import (
	"runtime"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"cdr2otel/internal/otlptest"
	"cdr2otel/mapping"
)

// aCall is what a call of ten turns contributes: about 60 values.
func aCall() mapping.Measurements {
	base := append(callBase("default", "97f16ba4-ad94-41af-aa6c-33cd56ad5e7e"), keyEnvironment.String("live"), keyAgentName.String("billing-bot"))
	m := mapping.Measurements{TraceID: traceID}
	n := byte(0)
	add := func(metric string, value float64, attributes ...attribute.KeyValue) {
		n++
		m.Values = append(m.Values, mapping.Measurement{
			Metric: metric, Value: value, Base: base, Attributes: attributes, SpanID: mapping.SpanID{1, n},
		})
	}
	result := attribute.String("wxa.call.result", "completed")
	add(mapping.MetricCalls, 1, result, attribute.String("wxa.call.end_reason", "caller_hangup"),
		attribute.Bool("wxa.call.failure_occurred", false), attribute.String("gen_ai.agent.version", "12"))
	add(mapping.MetricCallDuration, 95, result)
	add(mapping.MetricCallSetupDuration, .6)
	add(mapping.MetricCallFirstAudioDelay, .4)
	add(mapping.MetricCallTurns, 10)
	add(mapping.MetricCallConcurrency, 7)
	for _, direction := range []string{"inbound", "outbound"} {
		stream := []attribute.KeyValue{attribute.String("wxa.rtp.direction", direction), attribute.String("wxa.sip.trunk.host", "sip.example.com")}
		add(mapping.MetricJitterAvg, .004, stream...)
		add(mapping.MetricJitterMax, .02, stream...)
		add(mapping.MetricPackets, 4700, stream...)
		add(mapping.MetricPacketsLost, 2, stream...)
		add(mapping.MetricPacketLossRatio, .0004, stream...)
	}
	for turn := range 9 {
		request := attribute.String("wxa.turn.request.type", "speech_to_text")
		add(mapping.MetricTurns, 1, request, attribute.String("wxa.turn.response.class", "ok"))
		add(mapping.MetricTurnResponse, 1.1+float64(turn)/10, request)
		add(mapping.MetricAssistantResponse, .4)
		add(mapping.MetricSTTResponse, .5)
		add(mapping.MetricTTSResponse, .2)
	}
	return m
}

func BenchmarkCall(b *testing.B) {
	for _, readers := range []string{"scrape", "scrape and OTLP"} {
		b.Run(readers, func(b *testing.B) {
			telemetry := setup(b, func(c *Config) {
				if readers != "scrape" {
					pushing(otlptest.New(b, otlptest.Options{Discard: true}), otlptest.ProtocolGRPC, nil)(c)
				}
			})
			m := aCall()
			telemetry.Call("default", m)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					telemetry.Call("default", m)
				}
			})
			b.ReportMetric(float64(len(m.Values)), "values/op")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(m.Values)), "ns/value")
		})
	}
}

func BenchmarkRequest(b *testing.B) {
	telemetry := setup(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		telemetry.Request(Request{Method: "POST", Route: "/webhook/{source}", Scheme: "https", Status: 200, Duration: 1e6,
			Source: "default", EventName: "message_logged", Outcome: "accepted"})
	}
}

// BenchmarkSeries says what a series costs in memory, with both readers.
func BenchmarkSeries(b *testing.B) {
	for _, metric := range []string{mapping.MetricPackets, mapping.MetricJitterAvg} {
		b.Run(metric, func(b *testing.B) {
			r := otlptest.New(b, otlptest.Options{Discard: true})
			for b.Loop() {
				telemetry := setup(b, pushing(r, otlptest.ProtocolGRPC, nil))
				agents := numbered("agent", maxAgents)
				for _, agent := range agents {
					telemetry.Call("default", one(metric, 1, callBase("default", agent)))
				}
				before, existed := inUse(), telemetry.byName[metric].series
				for _, agent := range agents {
					for _, host := range numbered("carrier", maxTrunks) {
						for _, direction := range streamDirections {
							telemetry.Call("default", one(metric, 1, callBase("default", agent),
								attribute.String("wxa.rtp.direction", direction), attribute.String("wxa.sip.trunk.host", host)))
						}
					}
				}
				b.ReportMetric(float64(inUse()-before)/float64(telemetry.byName[metric].series-existed), "B/series")
				runtime.KeepAlive(telemetry)
			}
		})
	}
}

func inUse() int64 {
	runtime.GC()
	runtime.GC() // what pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func BenchmarkScrape(b *testing.B) {
	telemetry := setup(b, whole)
	everything(b, telemetry)
	b.ReportAllocs()
	for b.Loop() {
		scrape(b, telemetry, openMetrics)
	}
}
