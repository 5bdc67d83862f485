package mapping

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

func TestANumberIsOneContentHoweverItIsSpelled(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("0", 400)
	for want, spellings := range map[string][]string{
		// RFC 8785.
		"16000":            {"16000", "16000.0", "1.6e4", "1.6E+4", "160e2", "0.16e5", "16000000e-3"},
		"0":                {"0", "-0", "0.0", "-0.0", "0e9", "0E-400", "0.000e-999", "0e400"},
		"-1":               {"-1", "-1.0", "-10e-1"},
		"0.93":             {"0.93", "0.930", "93e-2", "9.3E-1"},
		"0.1":              {"0.1", "0.1000000000000000055511151231257827021181583404541015625"},
		"0.000001":         {"1e-6", "0.000001"},
		"1e-7":             {"1e-7", "1E-07", "0.0000001"},
		"1.5e-10":          {"1.5e-10", "0.00000000015"},
		"5e-324":           {"5e-324", "4.9e-324"},
		"9007199254740991": {"9007199254740991", "9007199254740991.0", "9.007199254740991e15"},
		// Beyond what doubles tell apart.
		"9007199254740993":    {"9007199254740993", "9007199254740993.00", "9007199254740993e0", "90071992547409.93e2"},
		"9007199254740992":    {"9007199254740992"},
		"-9007199254740993":   {"-9007199254740993.0"},
		"1e16":                {"10000000000000000", "1e16", "10E15", "1.0e+16"},
		"1234567890123456789": {"1234567890123456789", "1.234567890123456789e18"},
		"1e400":               {"1e400", "10e399", "1" + zeros, "0.1e401"},
		"1e401":               {"1e401"},
		"-2e308":              {"-2e308", "-20E+307"},
		"1e-400":              {"1e-400", "0." + zeros[:399] + "1", "10e-401"},
		"1e-401":              {"1e-401"},
		// Beyond reckoning.
		"1e99999999999": {"1e99999999999"},
		"1E99999999999": {"1E99999999999"},
	} {
		for _, spelling := range spellings {
			got := string(appendNumber(nil, []byte(spelling)))
			if got != want {
				t.Errorf("%.40s is spelled %s, want %s", spelling, got, want)
			}
			if again := string(appendNumber(nil, []byte(got))); again != got {
				t.Errorf("%s is spelled %s the second time", got, again)
			}
			if spelledPlainly([]byte(spelling)) && spelling != want {
				t.Errorf("%s counts as the spelling %s", spelling, want)
			}
		}
	}
}

// Numbers of all sizes, spelled as three languages do.
func TestWhatARelayMakesOfANumberIsTheSameContent(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(8785, 1))
	for range 20_000 {
		v := math.Float64frombits(random.Uint64())
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		if random.IntN(2) == 0 {
			v = math.Trunc(math.Remainder(v, 1e6)*1000) / 1000
		}
		short, long := strconv.FormatFloat(v, 'e', -1, 64), strconv.FormatFloat(v, 'f', -1, 64)
		a, b := string(appendNumber(nil, []byte(short))), string(appendNumber(nil, []byte(long)))
		if a != b {
			t.Fatalf("%s is spelled %s, %s is spelled %s", short, a, long, b)
		}
		if back, err := strconv.ParseFloat(a, 64); err != nil || back != v {
			t.Fatalf("%s became %s", short, a)
		}
	}
}

func TestNumbersSpelledAnewAreTheSameContent(t *testing.T) {
	t.Parallel()
	hash := func(payload string) [32]byte {
		t.Helper()
		sum, err := ContentHash([]byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	want := hash(`{"call":{"milliseconds_elapsed":16000,"start":"16000.0"},"confidence":[0.93,1],"text":"1.0 \" 2.0","9.0":-5}`)
	for _, again := range []string{
		`{"call":{"milliseconds_elapsed":16000.0,"start":"16000.0"},"confidence":[0.93,1],"text":"1.0 \" 2.0","9.0":-5}`,
		`{"9.0":-5.0,"text":"1.0 \u0022 2.0","confidence":[9.3e-1,1E0],"call":{"start":"16000.0","milliseconds_elapsed":1.6e4}}`,
	} {
		if hash(again) != want {
			t.Errorf("other content: %s", again)
		}
	}
	for _, other := range []string{
		`{"call":{"milliseconds_elapsed":16000,"start":"16000"},"confidence":[0.93,1],"text":"1.0 \" 2.0","9.0":-5}`,
		`{"call":{"milliseconds_elapsed":16000,"start":"16000.0"},"confidence":[0.93,1],"text":"1 \" 2.0","9.0":-5}`,
		`{"call":{"milliseconds_elapsed":16000,"start":"16000.0"},"confidence":[0.93,1],"text":"1.0 \" 2.0","9":-5}`,
		`{"call":{"milliseconds_elapsed":16000.5,"start":"16000.0"},"confidence":[0.93,1],"text":"1.0 \" 2.0","9.0":-5}`,
	} {
		if hash(other) == want {
			t.Errorf("the same content: %s", other)
		}
	}
	for _, scalar := range [][2]string{{"1.50", "1.5"}, {"[1e0,[]]", "[1,[]]"}, {"-0", "0"}} {
		if hash(scalar[0]) != hash(scalar[1]) {
			t.Errorf("%s and %s are other content", scalar[0], scalar[1])
		}
	}
}

// A hostile payload is nothing but numbers to respell.
func TestNumbersWithoutEndAreHashedInBoundedMemory(t *testing.T) { // alone: it counts what the process allocates
	for name, number := range map[string]string{"that grow": "9e15,", "that shrink": "1.0,", "of many digits": strings.Repeat("7", 100_000) + "e-1,"} {
		payload := []byte("[" + strings.Repeat(number, (1<<20)/len(number)) + "0]")
		assertAllocates(t, 48<<20, func() {
			if _, err := ContentHash(payload); err != nil {
				t.Error(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
}
