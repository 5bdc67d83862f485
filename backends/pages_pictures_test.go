package backends

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

var pictures = flag.String("pictures", "", "write the pictures of the pages into this folder")

// mostBytes bounds a picture: they are in the repository.
const mostBytes = 250 << 10

// picture is a page as docs/images shows it.
type picture struct {
	file, path string
	width      int64
	last       string // what it shows at the bottom: what this selector finds first
	scheme     string
}

func TestEveryPageHasAPictureOfWhatItShows(t *testing.T) {
	t.Parallel()
	s, clock := demoSite(t)
	clock.jump(demoDay.Add(59*time.Minute + 50*time.Second))
	b := openTab(t, s)
	b.open("/deliveries?session_id=" + speechSession)
	delivery := measure[string](b, `document.querySelector("#deliveries tbody tr[data-state=exported] th a").getAttribute("href")`)
	for _, p := range []picture{
		{"overview.png", "/", wide, "footer", "light"},
		{"deliveries.png", "/deliveries", wide, "#deliveries tr:nth-child(12)", "light"},
		{"delivery.png", delivery, wide, "#body-gone", "light"},
		{"calls.png", "/calls", wide, "#calls tr:nth-child(12)", "light"},
		{"call.png", "/calls/" + speechTrace, wide, ".wf-box", "light"},
		{"call-dark.png", "/calls/" + speechTrace, wide, ".wf-box", "dark"},
		{"call-narrow.png", "/calls/" + speechTrace, narrow, ".wf-box", "light"},
		{"lookup.png", "/lookup", wide, "footer", "light"},
	} {
		b.size(p.width, tall)
		b.scheme(p.scheme)
		b.open(p.path)
		shot := b.picture(p)
		if len(shot) > mostBytes {
			t.Errorf("%s has %d bytes, more than %d", p.file, len(shot), mostBytes)
		}
		if *pictures != "" {
			if err := os.WriteFile(filepath.Join(*pictures, p.file), shot, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stat(repoPath("docs", "images", p.file)); err != nil {
			t.Errorf("%v: make screenshots takes it", err)
		}
		confirmed(t, "%s of %s: %d KiB", p.file, p.path, len(shot)>>10)
	}
}

// picture takes a picture, in few colours so that it is small.
func (b *tab) picture(p picture) []byte {
	b.t.Helper()
	height := measure[int64](b, fmt.Sprintf("Math.ceil(document.querySelector(%q).getBoundingClientRect().bottom)", p.last))
	b.size(p.width, height)
	shot := b.painted()
	full, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		b.t.Fatal(err)
	}
	if got := full.Bounds().Size(); got.X != int(p.width) || got.Y != int(height) {
		b.t.Errorf("%s is %v large, not %d×%d", p.file, got, p.width, height)
	}
	var small bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&small, inFewColours(full)); err != nil {
		b.t.Fatal(err)
	}
	return small.Bytes()
}

// painted is what the window shows once it shows all of it: after its size has
// changed some of it may not be painted yet.
func (b *tab) painted() (shot []byte) {
	b.t.Helper()
	eventually(b.t, "the page is painted", func(context.Context) error {
		before := shot
		var err error
		shot, err = chromedp.Run(b.ctx, func(ctx context.Context, target *chromedp.Target) ([]byte, error) {
			frame := chromedp.Evaluate[bool]("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))", chromedp.EvalAwaitPromise)
			if _, err := frame(ctx, target); err != nil {
				return nil, err
			}
			result, err := cdp.Call(ctx, target, page.CaptureScreenshot, page.CaptureScreenshotParams{})
			return result.Data, err
		})
		if err == nil && !bytes.Equal(shot, before) {
			err = errors.New("it still changes")
		}
		return err
	})
	return shot
}

// inFewColours is the picture with its 256 most frequent colours; each other
// pixel, at the edge of a letter, gets the nearest of them.
func inFewColours(full image.Image) image.Image {
	bounds := full.Bounds()
	frequency := map[color.RGBA]int{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			frequency[color.RGBAModel.Convert(full.At(x, y)).(color.RGBA)]++
		}
	}
	palette := mostFrequent(frequency, 256)
	index := map[color.RGBA]uint8{}
	few := image.NewPaletted(bounds, palette)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := color.RGBAModel.Convert(full.At(x, y)).(color.RGBA)
			i, ok := index[c]
			if !ok {
				i = uint8(palette.Index(c))
				index[c] = i
			}
			few.SetColorIndex(x, y, i)
		}
	}
	return few
}

func mostFrequent(frequency map[color.RGBA]int, most int) color.Palette {
	colours := slices.SortedFunc(maps.Keys(frequency), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(frequency[b], frequency[a]), cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	var palette color.Palette
	for _, c := range colours[:min(most, len(colours))] {
		palette = append(palette, c)
	}
	return palette
}
