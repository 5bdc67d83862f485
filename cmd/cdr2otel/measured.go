package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"cdr2otel/exporter"
	"cdr2otel/internal/wrap"
)

// writeMetrics prints the metrics that the calls caused, as a scrape of the
// sidecar shows them, each over all agents: what the sidecar says of itself is left
// out, and so is what nothing was recorded for.
func writeMetrics(ctx context.Context, w io.Writer, sidecar *exporter.Exporter) error {
	families, err := scrape(ctx, metricsURL(sidecar))
	if err != nil {
		return err
	}
	values, widest := map[string]string{}, 0
	for name := range families {
		if !strings.HasPrefix(name, "wxa_") && !strings.HasPrefix(name, "gen_ai_") || strings.HasPrefix(name, "wxa_exporter_") {
			continue
		}
		if value := summary(families[name]); value != "" {
			values[name], widest = value, max(widest, len(name))
		}
	}
	fmt.Fprintf(w, "\nmetrics of these calls (%s)\n", metricsURL(sidecar))
	width, margin := columns(w), 2+widest+2
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if width > 0 && width < margin+20 { // no room beside the names
			_, err = fmt.Fprintf(w, "  %s\n      %s\n", name, wrap.Text(values[name], width, 6))
		} else {
			_, err = fmt.Fprintf(w, "  %-*s  %s\n", widest, name, wrap.Text(values[name], width, margin))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// noBreak keeps a number and what it counts on one line.
const noBreak = "\u00a0"

func metricsURL(sidecar *exporter.Exporter) string {
	return "http://" + sidecar.AdminAddr() + "/metrics"
}

// scrape reads a Prometheus exposition.
func scrape(ctx context.Context, url string) (map[string]*dto.MetricFamily, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(response.Body)
}

// summary of a family; "" when nothing was recorded.
func summary(family *dto.MetricFamily) string {
	unit := ""
	if strings.HasSuffix(family.GetName(), "_seconds") {
		unit = noBreak + "s"
	}
	if family.GetType() == dto.MetricType_HISTOGRAM {
		return distribution(family.GetMetric(), unit)
	}
	return parts(family.GetMetric())
}

// baseLabels are those that every metric of a call has: they say whose call it was.
var baseLabels = []string{"wxa_source", "deployment_environment_name", "wxa_call_direction", "gen_ai_agent_id", "gen_ai_agent_version", "wxa_sip_trunk_host"}

// parts is the sum of counters and, when there are several, what it is made of.
func parts(metrics []*dto.Metric) string {
	sum, by := 0.0, map[string]float64{}
	for _, m := range metrics {
		value := m.GetCounter().GetValue()
		sum += value
		by[words(m.GetLabel())] += value
	}
	if sum == 0 {
		return ""
	}
	maps.DeleteFunc(by, func(_ string, value float64) bool { return value == 0 })
	names := slices.SortedFunc(maps.Keys(by), func(a, b string) int {
		return cmp.Or(cmp.Compare(by[b], by[a]), cmp.Compare(a, b))
	})
	if len(names) == 1 && names[0] == "" {
		return number(sum)
	}
	shown := make([]string, 0, 4)
	for _, name := range names[:min(3, len(names))] {
		shown = append(shown, number(by[name])+noBreak+strings.ReplaceAll(cmp.Or(name, "other"), " ", noBreak))
	}
	if len(names) > 3 {
		shown = append(shown, "…")
	}
	return number(sum) + ": " + strings.Join(shown, ", ")
}

// words are the values of the labels that tell parts of a metric from each other. A
// label that is true gives its name, and the same word counts once.
func words(labels []*dto.LabelPair) string {
	var all []string
	for _, label := range labels {
		word := label.GetValue()
		switch {
		case slices.Contains(baseLabels, label.GetName()) || word == "false":
			continue
		case word == "true":
			word = label.GetName()[strings.LastIndex(label.GetName(), "_")+1:]
		}
		if !slices.Contains(all, word) {
			all = append(all, word)
		}
	}
	return strings.Join(all, " ")
}

// distribution says how many values a histogram has and how they lie.
func distribution(metrics []*dto.Metric, unit string) string {
	n, sum, highest := uint64(0), 0.0, 0.0
	for _, m := range metrics {
		h := m.GetHistogram()
		n, sum = n+h.GetSampleCount(), sum+h.GetSampleSum()
		if h.GetSampleCount() > 0 {
			highest = max(highest, edge(h))
		}
	}
	switch n {
	case 0:
		return ""
	case 1:
		return number(sum) + unit
	}
	return fmt.Sprintf("%d values, mean %s%s, all\u00a0≤\u00a0%s%s", n, number(sum/float64(n)), unit, number(highest), unit)
}

// edge is that of the lowest bucket that no value passes.
func edge(h *dto.Histogram) float64 {
	for _, b := range h.GetBucket() {
		if b.GetCumulativeCount() == h.GetSampleCount() {
			return b.GetUpperBound()
		}
	}
	return math.Inf(1)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }
