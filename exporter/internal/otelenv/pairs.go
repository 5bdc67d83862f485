package otelenv

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Pair is one key=value of a list.
type Pair struct{ Key, Value string }

// Pairs reads "key=value,key=value" with percent-encoded values, as
// OTEL_RESOURCE_ATTRIBUTES and the variables of headers have them. A key is a token,
// as in W3C Baggage and in HTTP. Errors name the place of an entry, never its text:
// it may be a credential (I5).
func Pairs(variable, value string) ([]Pair, error) {
	var pairs []Pair
	var errs []error
	for n, entry := range strings.Split(value, ",") {
		if strings.TrimSpace(entry) == "" { // a final comma
			continue
		}
		pair, err := pairOf(entry)
		if err != nil {
			errs = append(errs, Errorf(variable, "entry %d %w", n+1, err))
			continue
		}
		pairs = append(pairs, pair)
	}
	return pairs, errors.Join(errs...)
}

func pairOf(entry string) (Pair, error) {
	key, value, ok := strings.Cut(entry, "=")
	decoded, err := url.PathUnescape(strings.TrimSpace(value))
	switch key = strings.TrimSpace(key); {
	case !ok:
		return Pair{}, errors.New("is not key=value; separate entries by commas, write a comma in a value as %2C")
	case key == "":
		return Pair{}, errors.New("has no key before the =")
	case !httpguts.ValidHeaderFieldName(key):
		return Pair{}, errors.New("has a key with a quote, a blank or another character that no key may have; write key=value without quotes")
	case err != nil:
		return Pair{}, errors.New("has a value that is not percent-encoded; write % as %25")
	}
	return Pair{key, decoded}, nil
}

const envResource = "OTEL_RESOURCE_ATTRIBUTES"

// Resource reads OTEL_RESOURCE_ATTRIBUTES.
func Resource(getenv func(string) string) ([]Pair, error) {
	return Pairs(envResource, getenv(envResource))
}

// CheckHeader says what HTTP or gRPC would refuse, without quoting the value.
func CheckHeader(name, value string) error {
	switch {
	case name == "":
		return errors.New("no header name")
	case !httpguts.ValidHeaderFieldName(name):
		return fmt.Errorf("%q is not a header name", name)
	case !httpguts.ValidHeaderFieldValue(value):
		return fmt.Errorf("the value of header %s holds a control character", name)
	}
	return nil
}
