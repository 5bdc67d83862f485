package admin

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestDurationsReadInTheUnitThatFits(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                       "0 s",
		1:                       "0 µs",
		773 * time.Microsecond:  "773 µs",
		5100 * time.Microsecond: "5.1 ms",
		22 * time.Millisecond:   "22 ms",
		999 * time.Millisecond:  "999 ms",
		1500 * time.Millisecond: "1.50 s",
		42 * time.Second:        "42.0 s",
		61 * time.Second:        "1 min 01 s",
		90 * time.Minute:        "1 h 30 min",
		200 * time.Hour:         "8 d 8 h",
		-2 * time.Second:        "-2.00 s",
	} {
		if got := duration(d); got != want {
			t.Errorf("%d ns is %q, want %q", d, got, want)
		}
	}
}

func TestSizesAndCountsAreReadable(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 172032: "168 KiB", 10 << 30: "10 GiB", math.MaxInt64: "8.0 EiB"} {
		if got := size(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1 000", 1234567: "1 234 567", -12345: "-12 345"} {
		if got := strings.ReplaceAll(count(n), "\u202f", " "); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

// The bars of a minute are as high as what they count, and no outcome vanishes
// beside a large one.
func TestBarsAreInProportionAndNoneIsTooSmallToSee(t *testing.T) {
	t.Parallel()
	minutes := make([]Minute, 60)
	minutes[10].Outcomes = map[string]int64{"accepted": 10_000, "refused": 1}
	minutes[20].Outcomes = map[string]int64{"accepted": 5_000}
	c := draw(minutes)
	if len(c.Bars) != 3 || c.Total != 15_001 || c.Most != 10_001 {
		t.Fatalf("%d bars, %d in all, %d at most", len(c.Bars), c.Total, c.Most)
	}
	full, lost, half := c.Bars[0], c.Bars[1], c.Bars[2]
	if ratio := full.Height / half.Height; math.Abs(ratio-2) > 0.01 {
		t.Errorf("twice as many is %.2f times as high", ratio)
	}
	if !lost.Lost || lost.Height < 2 || math.Abs(lost.Y+lost.Height-full.Y) > 0.01 {
		t.Errorf("the refused one is %+v on %+v", lost, full)
	}
	for _, b := range c.Bars {
		if b.X < 0 || b.X+b.Width > float64(c.Width) || b.Y < 0 || b.Y+b.Height > float64(c.Height)+0.01 {
			t.Errorf("%+v is outside the picture", b)
		}
	}
}

func TestEveryDeadLetterIsExplained(t *testing.T) {
	t.Parallel()
	for reason, e := range deadLetters {
		if e.Text == "" || e.Advice == "" {
			t.Errorf("%s has no words", reason)
		}
	}
}

func TestAnUnknownReasonIsStillSaid(t *testing.T) {
	t.Parallel()
	if got := refusedFor("not_known_yet"); got.Text != "not known yet" {
		t.Errorf("it is %+v", got)
	}
	if got := heldFor("not_known_yet"); got.Text != "not known yet" {
		t.Errorf("it is %+v", got)
	}
	if e := explain(Delivery{State: "dead", Reason: "new", Subject: "call"}, time.Time{}); e.Text == "" || !e.Retry {
		t.Errorf("it is explained as %+v", e)
	}
}
