package config

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"
)

// kind is what a key may hold.
type kind int

const (
	section  kind = iota // keys that this program names
	named                // keys that the file names, such as sources
	list                 // elements
	boolean              // true or false
	number               // a whole number
	size                 // a Size
	duration             // a time.Duration
	text                 // anything else
)

// shape is what the file may hold at one key, by reflection over Config. The
// defaults, the words of errors, the suggestions for unknown keys and the JSON
// Schema are all made from it.
type shape struct {
	key    string // as in Reference: * is a name the file chooses, [] an element
	kind   kind
	value  reflect.Value // the default
	fields []field       // of a section, in the order of the struct
	each   *shape        // of a list or of named: what an element holds
}

type field struct {
	name string
	*shape
}

// wholeShape is the shape of the file.
var wholeShape = sync.OnceValue(func() *shape { return shapeOf("", reflect.ValueOf(complete())) })

// complete is Default with one element wherever the file may have any number.
func complete() Config {
	cfg := Default()
	jwt, header, source := defaultJWT(), defaultHeader(), defaultSource()
	jwt.SecretEnvs = cfg.Sources[DefaultSource].Auth.JWT.SecretEnvs
	source.Auth = Auth{JWT: &jwt, Header: &header, Basic: &Basic{}}
	source.HeaderAttributes = map[string]HeaderAttribute{"*": {}}
	cfg.Sources = map[string]Source{"*": source}
	cfg.Mapping.CustomData = []CustomData{{}}
	cfg.Mapping.Redact = []Redaction{{}}
	return cfg
}

func shapeOf(key string, value reflect.Value) *shape {
	if value.Kind() == reflect.Pointer {
		if value.IsNil() {
			value = reflect.New(value.Type().Elem())
		}
		value = value.Elem()
	}
	s := &shape{key: key, value: value}
	switch value.Interface().(type) {
	case time.Duration:
		s.kind = duration
		return s
	case Size:
		s.kind = size
		return s
	}
	switch value.Kind() {
	case reflect.Bool:
		s.kind = boolean
	case reflect.Int:
		s.kind = number
	case reflect.String:
		s.kind = text
	case reflect.Slice:
		s.kind = list
		s.each = shapeOf(key+"[]", first(value))
	case reflect.Map:
		s.kind = named
		s.each = shapeOf(join(key, "*"), first(value))
	case reflect.Struct:
		s.addFields(value)
	default:
		panic(fmt.Sprintf("config: %s is a %s", key, value.Type()))
	}
	return s
}

// addFields adds those of a struct, and of a struct that is squashed into it.
func (s *shape) addFields(value reflect.Value) {
	for i := range value.NumField() {
		name, option, _ := strings.Cut(value.Type().Field(i).Tag.Get("mapstructure"), ",")
		switch {
		case option == "squash":
			s.addFields(value.Field(i))
		case name != "" && name != "-":
			s.fields = append(s.fields, field{name, shapeOf(join(s.key, name), value.Field(i))})
		}
	}
}

// first element of a slice or map, or the zero value of one.
func first(value reflect.Value) reflect.Value {
	if value.Kind() == reflect.Map {
		for entries := value.MapRange(); entries.Next(); {
			return entries.Value()
		}
	} else if value.Len() > 0 {
		return value.Index(0)
	}
	return reflect.Zero(value.Type().Elem())
}

func join(prefix, name string) string {
	if prefix == "" || name == "" {
		return prefix + name
	}
	return prefix + "." + name
}

// below is the shape of one step down, nil for a key that is unknown. So it is
// below one.
func (s *shape) below(name string) *shape {
	if s == nil {
		return nil
	}
	if s.each != nil {
		return s.each
	}
	for _, f := range s.fields {
		if f.name == name {
			return f.shape
		}
	}
	return nil
}

// step is the key of one step down from key, as the file's reader would write it.
func (s *shape) step(key, name string) string {
	if s != nil && s.kind == list {
		return key + "[" + name + "]"
	}
	return join(key, name)
}

// all calls visit for the shape and everything below it, in order.
func (s *shape) all(visit func(*shape)) {
	visit(s)
	for _, f := range s.fields {
		f.all(visit)
	}
	if s.each != nil {
		s.each.all(visit)
	}
}

// isLeaf tells whether the key has a row of its own in Reference. A list or
// a map of plain values has one for the whole.
func (s *shape) isLeaf() bool {
	switch s.kind {
	case section:
		return false
	case list, named:
		return s.each.kind != section
	}
	return true
}

// mayHoldSecret tells whether what the file has here, right or wrong, stays out of
// every text: a secret, or where one is written by mistake (I5).
func (s *shape) mayHoldSecret() bool {
	return s.key == "store.url" || strings.Contains(s.key, ".auth") || strings.HasPrefix(s.key, keyTLS)
}
