package backends

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// What the variables of a dashboard select. Written {B} or {B,label="x"} in a
// query, and so on.
var selectors = strings.NewReplacer(
	// Base: every metric of calls, turns and messages.
	"{B", `{wxa_source=~"$source",deployment_environment_name=~"$environment",gen_ai_agent_id=~"$assistant"`,
	// Calls: the base and the agent's version, which only wxa_calls_total has.
	"{C", `{wxa_source=~"$source",deployment_environment_name=~"$environment",gen_ai_agent_id=~"$assistant",gen_ai_agent_version=~"$version"`,
	// Source: the exporter's own metrics of a source.
	"{S", `{wxa_source=~"$source"`,
)

// expr writes the selectors out.
func expr(format string, args ...any) string { return selectors.Replace(fmt.Sprintf(format, args...)) }

// total is how much a counter grew over the time shown.
func total(counter, by string) string { return expr("%s (increase(%s[$__range]))", sumBy(by), counter) }

// perMinute is how fast a counter grows.
func perMinute(counter, by string) string {
	return expr("%s (rate(%s[$__rate_interval])) * 60", sumBy(by), counter)
}

func sumBy(by string) string {
	if by == "" {
		return "sum"
	}
	return "sum by (" + by + ")"
}

// share is part / whole over the time shown, nothing when the whole is nothing,
// and 0 when only the part is.
func share(part, whole string) string {
	return expr("(sum(increase(%s[$__range])) or vector(0)) / (sum(increase(%s[$__range])) > 0)", part, whole)
}

// shareOverTime is share as a curve, for each value of the labels by.
func shareOverTime(part, whole, by string) string {
	if by == "" {
		return expr("(sum(rate(%s[$__rate_interval])) or vector(0)) / (sum(rate(%s[$__rate_interval])) > 0)", part, whole)
	}
	return expr("%[1]s (rate(%[2]s[$__rate_interval])) / (%[1]s (rate(%[3]s[$__rate_interval])) > 0)", sumBy(by), part, whole)
}

// beyond is the share of a histogram's observations above a bucket's edge.
func beyond(histogram, selector, edge, window, by string) string {
	part := fmt.Sprintf(`%s_bucket%s`, histogram, with(selector, `le="`+edge+`"`))
	return expr("1 - %[1]s (increase(%[2]s[%[4]s])) / (%[1]s (increase(%[3]s[%[4]s])) > 0)", sumBy(by), part, histogram+"_count"+selector, window)
}

// with adds a matcher to a selector that has at least a shorthand.
func with(selector, matcher string) string {
	return strings.TrimSuffix(selector, "}") + "," + matcher + "}"
}

// quantile of a histogram as a curve, for each value of the labels by.
func quantile(q, histogram, selector, by string) string {
	return quantileOver(q, histogram, selector, by, "$__rate_interval")
}

func quantileOver(q, histogram, selector, by, window string) string {
	le := "le"
	if by != "" {
		le += ", " + by
	}
	return expr("histogram_quantile(%s, sum by (%s) (rate(%s_bucket%s[%s])))", q, le, histogram, selector, window)
}

// quantiles are the median and the slow end, in colours of one family.
func quantiles(histogram, selector string) ([]target, []style) {
	return []target{
			{"half within", quantile("0.5", histogram, selector, "")},
			{"95 % within", quantile("0.95", histogram, selector, "")},
			{"99 % within", quantile("0.99", histogram, selector, "")},
		}, []style{
			{Legend: "half within", Colour: "light-blue"},
			{Legend: "95 % within", Colour: "blue"},
			{Legend: "99 % within", Colour: "purple"},
		}
}

// buckets are a histogram for a heat map.
func buckets(histogram, selector string) []target {
	return []target{{"{{le}}", expr("sum by (le) (increase(%s_bucket%s[$__rate_interval]))", histogram, selector)}}
}

// mean of a histogram as a curve.
func mean(histogram, selector string) string {
	return expr("sum(rate(%[1]s_sum%[2]s[$__rate_interval])) / (sum(rate(%[1]s_count%[2]s[$__rate_interval])) > 0)", histogram, selector)
}

// ours keeps of a metric that any program may have (http_…, process_…, otel_sdk_…)
// the series of cdr2otel: those that come from where wxa_exporter_ready comes from, which
// every replica has. That holds for scraped and for pushed metrics, whatever job is called.
func ours(vector string) string {
	return vector + " and on (job, instance) wxa_exporter_ready"
}

// variableInURL is a variable whose braces were escaped.
var variableInURL = regexp.MustCompile(`%24%7B([a-z_]+)%7D`)

// explore is the address of a search in Grafana's Explore, over the time shown.
func explore(source string, query jsonObject) string {
	query["refId"] = "A"
	query["datasource"] = jsonObject{"type": source, "uid": "${" + source + "}"}
	pane, err := json.Marshal(jsonObject{"calls": jsonObject{
		"datasource": "${" + source + "}", "queries": []jsonObject{query},
		"range": jsonObject{"from": "${__from}", "to": "${__to}"},
	}})
	if err != nil {
		panic(err) // a map of strings
	}
	escaped := strings.ReplaceAll(url.QueryEscape(string(pane)), "+", "%20")
	return "/explore?schemaVersion=1&panes=" + variableInURL.ReplaceAllString(escaped, "$${$1}")
}

// traces are links to a search for what a panel counts: TraceQL for Tempo, tags
// ("key=value key=value", equality only) for Jaeger, "" where equality can't ask it.
func traces(what, traceQL, tags string) []panelLink {
	links := []panelLink{{what + " in Tempo", explore("tempo", jsonObject{
		"queryType": "traceql", "query": traceQL, "limit": 50, "tableType": "traces",
	})}}
	if tags == "" {
		return links
	}
	return append(links, panelLink{what + " in Jaeger", explore("jaeger", jsonObject{
		"queryType": "search", "service": "watsonx-assistant", "tags": tags, "limit": 50,
	})})
}

// worseFrom are the steps of a number that is better when small. Where there is an
// alert for it (collector-config/rules), red is what it fires at.
func worseFrom(orange, red float64) []step {
	return []step{{Colour: "green"}, {orange, "orange"}, {red, "red"}}
}

// bad is red from the first on.
func bad() []step { return []step{{Colour: "green"}, {1, "red"}} }

// digits is a number of decimals.
func digits(n int) *int { return &n }
