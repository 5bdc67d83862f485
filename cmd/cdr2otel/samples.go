package main

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"time"

	"cdr2otel/examples/webhooks"
)

// sampleCalls are the calls that demo posts.
var sampleCalls = []string{"dtmf_call", "speech_call"}

// sampleBodies are the webhook bodies of the sample calls, every instant moved
// so that each call ends at now. Ids do not depend on times.
func sampleBodies(now time.Time) ([][]byte, error) {
	var moved [][]byte
	for _, call := range sampleCalls {
		bodies, err := callBodies(call)
		if err != nil {
			return nil, err
		}
		end, err := endOf(bodies)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", call, err)
		}
		for _, body := range bodies {
			moved = append(moved, move(body, now.Sub(end)))
		}
	}
	return moved, nil
}

func callBodies(call string) ([][]byte, error) {
	names, err := fs.Glob(webhooks.Bodies, call+".*.json")
	if err != nil {
		return nil, err
	}
	var bodies [][]byte
	for _, name := range names {
		body, err := webhooks.Bodies.ReadFile(name)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, body)
	}
	return bodies, nil
}

// endOf is when the call in the bodies ended.
func endOf(bodies [][]byte) (time.Time, error) {
	sample, err := readBodies(bodies)
	if err != nil {
		return time.Time{}, err
	}
	return sample.calls[0].CDR.Call.Stop.Time, nil
}

// readBodies decodes bodies as convert does.
func readBodies(raw [][]byte) (*bodies, error) {
	read := &bodies{now: time.Now()}
	for _, body := range raw {
		if err := read.take("sample", body); err != nil {
			return nil, err
		}
	}
	if len(read.calls) == 0 {
		return nil, errors.New("no CDR")
	}
	return read, nil
}

// instant is a timestamp as the platform writes it.
var instant = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`)

// move adds d to every instant of a body. What the platform writes for
// "unknown" stays.
func move(body []byte, d time.Duration) []byte {
	return instant.ReplaceAllFunc(body, func(quoted []byte) []byte {
		at, err := time.Parse(time.RFC3339, string(quoted[1:len(quoted)-1]))
		if err != nil || at.Year() <= 1970 {
			return quoted
		}
		return []byte(at.Add(d).UTC().Format(`"2006-01-02T15:04:05.000Z"`))
	})
}
