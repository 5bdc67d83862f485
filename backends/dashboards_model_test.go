package backends

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// A dashboard is what collector-config/grafana/dashboards/<File>.json is written
// from. It has no coordinates: the lines of its rows give each panel its place, so
// panels can neither overlap nor leave holes.
type dashboard struct {
	// File is the name without .json, and after "cdr2otel-" the uid.
	File        string
	Title       string
	Description string
	// From is the begin of the time shown, relative to now.
	From string
	// Variables are those after the data sources and wxa_source.
	Variables []dashboardVariable
	// Annotations are marks over all panels.
	Annotations []annotation
	Rows        []dashboardRow
}

// dashboardRow is a heading and the panels below it.
type dashboardRow struct {
	Title string
	Lines []line
}

// line is panels of one height beside each other; their widths add up to 24.
type line struct {
	Height int
	Panels []panel
}

// dashboardVariable is a filter that one label's values fill.
type dashboardVariable struct {
	Name, Label, Description string
	// Query gives the values, in the syntax of Grafana's Prometheus data source.
	Query string
	// Regex picks value and text out of the result of query_result.
	Regex string
	// All is the regular expression for "All": ".+", or ".*" when series without
	// the label count too.
	All string
	// Options make it a choice of fixed values; Query is empty then.
	Options []string
}

// annotation marks the times at which Expr has a value.
type annotation struct {
	Name, Expr, Title, Text string
}

// panelKind is how a panel draws what its queries return.
type panelKind string

const (
	stat    panelKind = "stat"           // one number over the time shown
	lines   panelKind = "timeseries"     // a curve for each series
	stacked panelKind = "stacked"        // a timeseries of bars on top of each other
	ranking panelKind = "bargauge"       // a bar for each series over the time shown
	heat    panelKind = "heatmap"        // the buckets of a histogram over time
	states  panelKind = "state-timeline" // a band for each series, coloured by value
)

// panel is one picture.
type panel struct {
	Kind  panelKind
	Title string
	// Text says what is shown and what a bad value means.
	Text    string
	Unit    string // of Grafana's units: s, percentunit, short, …
	Width   int    // of 24
	Targets []target
	// Steps colour stats and bars, and are dashed lines in a timeseries.
	Steps []step
	// Styles are names and colours of single series.
	Styles []style
	// States are what values of a state timeline, or of a stat, are called.
	States []state
	// Colour is that of all series without a style; "" is shades of blue.
	Colour string
	// Empty is what a stat shows when there is nothing to count.
	Empty string
	// Signed values can be below zero.
	Signed bool
	Links  []panelLink
	// Decimals is the number of digits after the point; nil lets Grafana choose.
	Decimals *int
}

// target is one query and the name of its series.
type target struct{ Legend, Expr string }

// step is the colour from a value on; the first step has no value.
type step struct {
	From   float64
	Colour string
}

// style names and colours the series that Legend (a target's result) is.
type style struct {
	Legend, Name, Colour string
	// Dashed is for limits.
	Dashed bool
}

// state is what a value is called.
type state struct {
	Value        string
	Name, Colour string
}

// panelLink leads to a search for traces.
type panelLink struct{ Title, URL string }

// jsonObject is JSON.
type jsonObject = map[string]any

// uid is the name that links and Grafana's URLs use.
func (d dashboard) uid() string { return "cdr2otel-" + d.File }

// json is the dashboard as Grafana reads it, keys in the order Grafana writes.
func (d dashboard) json() ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(d.object())
	return out.Bytes(), err
}

func (d dashboard) object() jsonObject {
	annotations := []jsonObject{{
		"builtIn": 1, "type": "dashboard", "name": "Annotations & Alerts", "enable": true, "hide": true,
		"iconColor": "rgba(0, 211, 255, 1)", "datasource": jsonObject{"type": "grafana", "uid": "-- Grafana --"},
	}}
	for _, a := range d.Annotations {
		annotations = append(annotations, jsonObject{
			"name": a.Name, "enable": true, "hide": false, "iconColor": "purple", "datasource": prometheusSource(),
			"expr": a.Expr, "step": "60s", "titleFormat": a.Title, "textFormat": a.Text, "useValueForTime": false,
		})
	}
	list := []jsonObject{
		sourceVariable("datasource", "Metrics", "prometheus"),
		sourceVariable("tempo", "Traces in Tempo", "tempo"),
		sourceVariable("jaeger", "Traces in Jaeger", "jaeger"),
	}
	for _, v := range d.Variables {
		list = append(list, v.object())
	}
	return jsonObject{
		"uid": d.uid(), "title": d.Title, "description": d.Description, "tags": []string{"cdr2otel"},
		"schemaVersion": 39, "version": 1, "editable": true, "graphTooltip": 1, "fiscalYearStartMonth": 0,
		"refresh": "1m", "timezone": "browser", "time": jsonObject{"from": d.From, "to": "now"}, "timepicker": jsonObject{},
		"annotations": jsonObject{"list": annotations},
		"templating":  jsonObject{"list": list},
		"links": []jsonObject{{
			"type": "dashboards", "title": "cdr2otel", "tags": []string{"cdr2otel"}, "icon": "external link",
			"asDropdown": false, "includeVars": true, "keepTime": true, "targetBlank": false, "tooltip": "", "url": "",
		}},
		"panels": d.panels(),
	}
}

// panels are all rows and panels with ids and places.
func (d dashboard) panels() []jsonObject {
	var all []jsonObject
	y := 0
	place := func(o jsonObject, x, w, h int) {
		o["id"], o["gridPos"] = len(all)+1, jsonObject{"x": x, "y": y, "w": w, "h": h}
		all = append(all, o)
	}
	for _, r := range d.Rows {
		place(jsonObject{"type": "row", "title": r.Title, "collapsed": false, "panels": []jsonObject{}}, 0, 24, 1)
		y++
		for _, l := range r.Lines {
			x := 0
			for _, p := range l.Panels {
				place(p.object(), x, p.Width, l.Height)
				x += p.Width
			}
			y += l.Height
		}
	}
	return all
}

// all is every panel in order.
func (d dashboard) all() (all []panel) {
	for _, r := range d.Rows {
		for _, l := range r.Lines {
			all = append(all, l.Panels...)
		}
	}
	return all
}

func prometheusSource() jsonObject { return jsonObject{"type": "prometheus", "uid": "${datasource}"} }

func sourceVariable(name, label, plugin string) jsonObject {
	return jsonObject{
		"type": "datasource", "name": name, "label": label, "query": plugin, "regex": "", "current": jsonObject{},
		"hide": 0, "includeAll": false, "multi": false, "options": []jsonObject{}, "refresh": 1, "skipUrlSync": false,
	}
}

func (v dashboardVariable) object() jsonObject {
	o := jsonObject{"name": v.Name, "label": v.Label, "description": v.Description, "hide": 0, "skipUrlSync": false}
	if v.Query == "" {
		var options []jsonObject
		for i, value := range v.Options {
			options = append(options, jsonObject{"text": value, "value": value, "selected": i == 0})
		}
		o["type"], o["query"], o["options"] = "custom", strings.Join(v.Options, ","), options
		o["current"], o["includeAll"], o["multi"] = options[0], false, false
		return o
	}
	// 1 is a query as Grafana's editor writes label_values, 3 any other function.
	kind := 1
	if strings.HasPrefix(v.Query, "query_result(") {
		kind = 3
	}
	o["type"], o["datasource"], o["definition"] = "query", prometheusSource(), v.Query
	o["query"] = jsonObject{"query": v.Query, "qryType": kind, "refId": "PrometheusVariableQueryEditor-VariableQuery"}
	o["regex"], o["refresh"], o["sort"] = v.Regex, 2, 1
	o["includeAll"], o["allValue"], o["multi"] = true, v.All, true
	o["current"], o["options"] = jsonObject{"text": []string{"All"}, "value": []string{"$__all"}}, []jsonObject{}
	return o
}

// histogram is the name of the histogram of which the query reads all buckets, or "".
func (t target) histogram() string {
	before, _, found := strings.Cut(t.Expr, "_bucket{")
	if !found || strings.Contains(t.Expr, `le="`) { // one bucket has few exemplars
		return ""
	}
	return before[strings.LastIndexAny(before, "( ")+1:]
}

// exemplars are the targets for which exemplars are asked: the first of each
// histogram, because the others of it have the same. The exporter's own
// histograms measure no span.
func (p panel) exemplars() []bool {
	var seen []string
	var ask []bool
	for _, t := range p.Targets {
		h := t.histogram()
		first := h != "" && !strings.HasPrefix(h, "wxa_exporter_") && !strings.HasPrefix(h, "http_") && !slices.Contains(seen, h)
		ask = append(ask, first && p.Kind != stat && p.Kind != ranking)
		seen = append(seen, h)
	}
	return ask
}
