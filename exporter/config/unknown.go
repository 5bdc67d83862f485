package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// checkKeys adds the keys that the shape does not have, each with what was perhaps
// meant, and the numbers that the decoder would take for something else: 30 for 30
// nanoseconds, 1.5 for 1.
func (x *examination) checkKeys(s *shape, path []string, value any) {
	switch v := value.(type) {
	case map[string]any:
		if s.kind != section && s.kind != named {
			return // the decoder says so
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if below := s.below(name); below != nil {
				x.checkKeys(below, append(path[:len(path):len(path)], name), v[name])
			} else {
				x.problems.addUnknown(s, keyOf(path), name)
			}
		}
	case []any:
		for i, each := range v {
			if s.kind == list {
				x.checkKeys(s.each, append(path[:len(path):len(path)], strconv.Itoa(i)), each)
			}
		}
	case int:
		if s.kind == duration && v != 0 {
			x.addType(path)
		}
	case float64:
		if s.kind == number {
			x.addType(path)
		}
	}
}

// keyOf writes a path as the file's reader would.
func keyOf(path []string) string {
	at, key := wholeShape(), ""
	for _, step := range path {
		key = at.step(key, step)
		at = at.below(step)
	}
	return key
}

func (ps *Problems) addUnknown(s *shape, key, name string) {
	meant := s.meant(key, name)
	text := "unknown key; known here are " + enumerate(s.names(), "and")
	if len(meant) > 0 {
		text = "unknown key; did you mean " + enumerate(relative(key, meant), "or") + "?"
	}
	*ps = append(*ps, Problem{Key: s.step(key, name), Text: text, meant: meant})
}

func (s *shape) names() []string {
	names := make([]string, len(s.fields))
	for i, f := range s.fields {
		names[i] = f.name
	}
	return names
}

// meant are the full keys that name at key perhaps stands for: one that is spelled
// almost so, else one that is at another place.
func (s *shape) meant(key, name string) []string {
	for _, alike := range []func(a, b string) bool{sameLetters, begins, fewTypos} {
		var found []string
		for _, f := range s.fields {
			if alike(name, f.name) {
				found = append(found, s.step(key, f.name))
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	var elsewhere []string
	wholeShape().all(func(other *shape) {
		_, last := cutLast(other.key)
		if sameLetters(name, last) && !strings.HasPrefix(other.key, keyTLS) {
			elsewhere = append(elsewhere, filledIn(other.key, key))
		}
	})
	if len(elsewhere) > maxSuggestions {
		return nil
	}
	return elsewhere
}

// maxSuggestions is how many keys are suggested at most.
const maxSuggestions = 3

// filledIn puts the names of the file's own key, as far as it goes the same way,
// in place of the * in a key of Reference.
func filledIn(reference, own string) string {
	from, to := strings.Split(own, "."), strings.Split(reference, ".")
	for i := 0; i < min(len(from), len(to)) && (to[i] == "*" || to[i] == from[i]); i++ {
		to[i] = from[i]
	}
	return strings.ReplaceAll(strings.Join(to, "."), "*", "NAME")
}

// relative leaves out what keys that are in the same place have in common with it.
func relative(place string, keys []string) []string {
	short := make([]string, len(keys))
	for i, key := range keys {
		parent, last := cutLast(key)
		if short[i] = key; parent == place {
			short[i] = last
		}
	}
	return short
}

// cutLast parts the last name of a key from those before.
func cutLast(key string) (before, last string) {
	i := strings.LastIndex(key, ".")
	return key[:max(i, 0)], key[i+1:]
}

// sameLetters: maxInFlight and max-in-flight are max_in_flight.
func sameLetters(a, b string) bool {
	letters := strings.NewReplacer("_", "", "-", "", ".", "")
	return strings.EqualFold(letters.Replace(a), letters.Replace(b))
}

// begins: one is the beginning of the other, as secret is of secret_envs.
func begins(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	return a != "" && b != "" && (strings.HasPrefix(b, a) || strings.HasPrefix(a, b))
}

// fewTypos: one letter may differ, of longer names two, or a third of them.
func fewTypos(a, b string) bool {
	shorter := min(len(a), len(b))
	return distance(strings.ToLower(a), strings.ToLower(b)) <= max(min(shorter/2, 2), 1, shorter/3)
}

// distance is the number of letters that are to be added, removed or replaced
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// enumerate writes "a, b or c".
func enumerate(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	n := len(words) - 1
	return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
}
