package config

import (
	"reflect"
	"slices"
)

// enums are the values of the types that have a fixed set of them.
var enums = map[reflect.Type][]string{
	reflect.TypeFor[Messages](): {string(MessagesExpected), string(MessagesNone)},
	reflect.TypeFor[Late]():     {string(LateSpan), string(LateLog), string(LateDrop)},
	reflect.TypeFor[Events]():   {string(EventsSpan), string(EventsLog), string(EventsBoth)},
	reflect.TypeFor[HashIDs]():  {string(HashNumbers), string(HashAll), string(HashNone)},
	reflect.TypeFor[PII]():      {string(PIICallerNumber), string(PIICalleeNumber), string(PIISIPURIs)},
}

// oneOf adds a value that is none of its type's.
func (ps *Problems) oneOf(key string, value any) {
	known := enums[reflect.TypeOf(value)]
	if text := reflect.ValueOf(value).String(); !slices.Contains(known, text) {
		ps.add(key, "%q is unknown; use %s", text, enumerate(known, "or"))
	}
}
