package backends

// object is the panel as Grafana reads it, without id and place.
func (p panel) object() jsonObject {
	o := jsonObject{
		"type": string(p.Kind), "title": p.Title, "description": p.Text, "transparent": false,
		"datasource":  prometheusSource(),
		"targets":     p.targets(),
		"fieldConfig": jsonObject{"defaults": p.defaults(), "overrides": p.overrides()},
		"options":     p.options(),
	}
	if p.Kind == stacked {
		o["type"] = "timeseries"
	}
	var links []jsonObject
	for _, l := range p.Links {
		links = append(links, jsonObject{"title": l.Title, "url": l.URL, "targetBlank": true})
	}
	if links != nil {
		o["links"] = links
	}
	return o
}

func (p panel) targets() (all []jsonObject) {
	exemplars := p.exemplars()
	for i, t := range p.Targets {
		o := jsonObject{
			"refId": string(rune('A' + i)), "datasource": prometheusSource(), "editorMode": "code",
			"expr": t.Expr, "legendFormat": t.Legend, "exemplar": exemplars[i],
		}
		switch p.Kind {
		case stat, ranking:
			o["instant"], o["range"], o["format"] = true, false, "time_series"
		case heat:
			o["instant"], o["range"], o["format"] = false, true, "heatmap"
		default:
			o["instant"], o["range"], o["format"] = false, true, "time_series"
		}
		all = append(all, o)
	}
	return all
}

func (p panel) defaults() jsonObject {
	o := jsonObject{"unit": p.Unit, "mappings": p.mappings(), "thresholds": p.thresholds(), "color": p.colour()}
	if !p.Signed {
		o["min"] = 0
	}
	if p.Empty != "" {
		o["noValue"] = p.Empty
	}
	if p.Decimals != nil {
		o["decimals"] = *p.Decimals
	}
	switch p.Kind {
	case lines:
		// A point of the hour before still belongs to the curve: calls are rare at night.
		o["custom"] = jsonObject{
			"drawStyle": "line", "lineWidth": 2, "fillOpacity": 8, "showPoints": "auto", "pointSize": 5, "spanNulls": 3600000,
			"stacking": jsonObject{"group": "A", "mode": "none"}, "thresholdsStyle": jsonObject{"mode": p.thresholdLines()},
		}
	case stacked:
		o["custom"] = jsonObject{
			"drawStyle": "bars", "lineWidth": 0, "fillOpacity": 80, "showPoints": "never", "spanNulls": false,
			"stacking": jsonObject{"group": "A", "mode": "normal"}, "thresholdsStyle": jsonObject{"mode": "off"},
		}
	case heat:
		o["custom"] = jsonObject{"scaleDistribution": jsonObject{"type": "linear"}, "hideFrom": jsonObject{"legend": false, "tooltip": false, "viz": false}}
	case states:
		o["custom"] = jsonObject{"lineWidth": 0, "fillOpacity": 80, "spanNulls": false, "insertNulls": false}
	}
	return o
}

func (p panel) thresholdLines() string {
	if len(p.Steps) > 1 {
		return "dashed"
	}
	return "off"
}

func (p panel) thresholds() jsonObject {
	steps := p.Steps
	if len(steps) == 0 {
		steps = []step{{Colour: "text"}}
	}
	var all []jsonObject
	for i, s := range steps {
		o := jsonObject{"color": s.Colour, "value": s.From}
		if i == 0 {
			o["value"] = nil
		}
		all = append(all, o)
	}
	return jsonObject{"mode": "absolute", "steps": all}
}

// colour is by thresholds where a number is judged, else one that is never red:
// red says that something is wrong.
func (p panel) colour() jsonObject {
	switch {
	case p.Kind == stat || p.Kind == states || p.Kind == ranking && len(p.Steps) > 0:
		return jsonObject{"mode": "thresholds"}
	case p.Colour != "":
		return jsonObject{"mode": "fixed", "fixedColor": p.Colour}
	default:
		return jsonObject{"mode": "continuous-BlPu"}
	}
}

func (p panel) mappings() []jsonObject {
	if len(p.States) == 0 {
		return []jsonObject{}
	}
	values := jsonObject{}
	for i, s := range p.States {
		values[s.Value] = jsonObject{"index": i, "text": s.Name, "color": s.Colour}
	}
	return []jsonObject{{"type": "value", "options": values}}
}

func (p panel) overrides() []jsonObject {
	all := []jsonObject{}
	for _, s := range p.Styles {
		var properties []jsonObject
		if s.Name != "" {
			properties = append(properties, jsonObject{"id": "displayName", "value": s.Name})
		}
		if s.Colour != "" {
			properties = append(properties, jsonObject{"id": "color", "value": jsonObject{"mode": "fixed", "fixedColor": s.Colour}})
		}
		if s.Dashed {
			properties = append(properties,
				jsonObject{"id": "custom.lineStyle", "value": jsonObject{"fill": "dash", "dash": []int{10, 10}}},
				jsonObject{"id": "custom.fillOpacity", "value": 0})
		}
		all = append(all, jsonObject{"matcher": jsonObject{"id": "byName", "options": s.Legend}, "properties": properties})
	}
	return all
}

func (p panel) options() jsonObject {
	last := jsonObject{"calcs": []string{"lastNotNull"}, "fields": "", "values": false}
	switch p.Kind {
	case stat:
		return jsonObject{
			"colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto",
			"reduceOptions": last, "textMode": "value", "wideLayout": true, "percentChangeColorMode": "standard", "showPercentChange": false,
		}
	case ranking:
		return jsonObject{
			"displayMode": "basic", "orientation": "horizontal", "reduceOptions": last, "showUnfilled": true, "valueMode": "text",
			"namePlacement": "auto", "sizing": "auto", "minVizHeight": 16, "minVizWidth": 8, "maxVizHeight": 32,
			"legend": jsonObject{"calcs": []string{}, "displayMode": "list", "placement": "bottom", "showLegend": false},
		}
	case heat:
		return jsonObject{
			"calculate": false, "cellGap": 1, "showValue": "never", "legend": jsonObject{"show": true}, "filterValues": jsonObject{"le": 1e-9},
			"color":     jsonObject{"mode": "scheme", "scheme": "Blues", "reverse": false, "steps": 64, "exponent": 0.5, "fill": "dark-blue"},
			"exemplars": jsonObject{"color": "rgba(184, 119, 217, 0.9)"}, "rowsFrame": jsonObject{"layout": "auto"},
			"tooltip": jsonObject{"mode": "single", "showColorScale": false, "yHistogram": false},
			"yAxis":   jsonObject{"axisPlacement": "left", "reverse": false, "unit": p.Unit},
		}
	case states:
		return jsonObject{
			"alignValue": "left", "mergeValues": true, "rowHeight": 0.8, "showValue": "auto",
			"legend":  jsonObject{"displayMode": "list", "placement": "bottom", "showLegend": false},
			"tooltip": jsonObject{"mode": "single", "sort": "none"},
		}
	default:
		return jsonObject{
			"legend":  jsonObject{"calcs": []string{}, "displayMode": "list", "placement": "bottom", "showLegend": true},
			"tooltip": jsonObject{"mode": "multi", "sort": "desc"},
		}
	}
}
