package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Mapper maps the calls, conversations and late messages of one source. It holds
// no state: it is safe for concurrent use, and the same input always gives the
// same trace.
type Mapper struct {
	config      Config
	resource    map[string]string
	headerNames []string
	policy      policy
}

// Where a caller begins to wonder, and where they hang up.
const (
	defaultSlow    = 2 * time.Second
	defaultDeadAir = 4 * time.Second
)

// New returns a mapper, or an error that names every key that is wrong.
func New(config Config) (*Mapper, error) {
	if config.Slow == 0 {
		config.Slow = defaultSlow
	}
	if config.DeadAir == 0 {
		config.DeadAir = max(defaultDeadAir, config.Slow)
	}
	redact, invalid := newRedactor(config.Redact)
	ids, noKey := NewIDs(config.HashIDs, config.CallerHashKey)
	if err := errors.Join(
		checkSource(config),
		checkResource(config),
		checkClasses(config),
		checkCustomData(config),
		checkText(config),
		checkEvents(config),
		invalid,
		noKey,
	); err != nil {
		return nil, err
	}
	m := &Mapper{
		config:   config,
		resource: make(map[string]string, len(config.Resource)+1),
		policy:   policy{content: config.Content, digits: config.Digits, redact: redact, ids: ids},
	}
	m.resource[attrServiceName] = defaultServiceName
	for key, value := range config.Resource {
		if value != "" {
			m.resource[key] = value
		}
	}
	for name := range config.HeaderAttributes {
		m.headerNames = append(m.headerNames, name)
	}
	slices.Sort(m.headerNames)
	return m, nil
}

func checkSource(config Config) error {
	if config.Source == "" {
		return errors.New("source: empty")
	}
	return nil
}

func checkResource(config Config) error {
	var errs []error
	for _, key := range sortedKeys(config.Resource) {
		if PerInstance(key) {
			errs = append(errs, fmt.Errorf("resource: %s: an attribute of this process would double every retried trace in back ends that compare resources", key))
		}
	}
	for _, name := range sortedKeys(config.HeaderAttributes) {
		header := config.HeaderAttributes[name]
		switch {
		case name != strings.ToLower(name):
			errs = append(errs, fmt.Errorf("header_attributes: %s: not in lower case", name))
		case header.Attribute == "":
			errs = append(errs, fmt.Errorf("header_attributes: %s: attribute: empty", name))
		case PerInstance(header.Attribute):
			errs = append(errs, fmt.Errorf("header_attributes: %s: attribute: %s belongs to a process", name, header.Attribute))
		case len(header.Values) == 0:
			errs = append(errs, fmt.Errorf("header_attributes: %s: values: none allowed, the header would never be used", name))
		}
	}
	return errors.Join(errs...)
}

// checkText refuses what protobuf would: an encoding that fails for every call.
func checkText(config Config) error {
	texts := []string{config.Version}
	for key := range config.Resource {
		texts = append(texts, key)
	}
	for _, header := range config.HeaderAttributes {
		texts = append(texts, header.Attribute)
	}
	for _, custom := range config.CustomData {
		texts = append(texts, custom.Attribute)
	}
	for _, text := range texts {
		if !utf8.ValidString(text) {
			return fmt.Errorf("%q: not valid UTF-8", text)
		}
	}
	return nil
}

func checkClasses(config Config) error {
	if config.Slow < 0 || config.DeadAir < config.Slow {
		return fmt.Errorf("slow: %s, dead_air: %s: want 0 ≤ slow ≤ dead_air", config.Slow, config.DeadAir)
	}
	return nil
}

func checkCustomData(config Config) error {
	var errs []error
	seen := make(map[string]bool)
	for i, custom := range config.CustomData {
		switch {
		case custom.Key == "" || !jsontext.Pointer(custom.Key).IsValid():
			errs = append(errs, fmt.Errorf("custom_data[%d]: key: %q is not a JSON pointer", i, custom.Key))
		case !strings.HasPrefix(custom.Attribute, customPrefix) || custom.Attribute == customPrefix:
			errs = append(errs, fmt.Errorf("custom_data[%d]: attribute: %q does not begin with %s", i, custom.Attribute, customPrefix))
		case seen[custom.Attribute]:
			errs = append(errs, fmt.Errorf("custom_data[%d]: attribute: %s is taken", i, custom.Attribute))
		}
		seen[custom.Attribute] = true
	}
	return errors.Join(errs...)
}
