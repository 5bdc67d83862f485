package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows how a replay goes.
type progress interface {
	// settled shows that so many more bytes of the input are done with. It is called
	// by one goroutine.
	settled(bytes int64, t *tally)
	// waiting says why nothing goes on. It may be called at any time.
	waiting(why string)
	end()
}

// newProgress is a bar on a terminal, and else only says when it waits.
func newProgress(w io.Writer, files []string) progress {
	if !isTerminal(w) || os.Getenv("TERM") == "dumb" {
		return &plainProgress{w: w}
	}
	return &barProgress{bar: progressbar.NewOptions64(sizeOf(files),
		progressbar.OptionSetWriter(w),
		progressbar.OptionShowBytes(true),
		progressbar.OptionSetWidth(30),
		progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetRenderBlankState(true),
	)}
}

// sizeOf is the length of the input, -1 if nobody knows.
func sizeOf(files []string) (size int64) {
	if slices.Contains(files, "-") {
		return -1
	}
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			return -1
		}
		size += info.Size()
	}
	return size
}

// plainProgress is for output that is no terminal.
type plainProgress struct {
	mu sync.Mutex // guards w: several posts may wait at once
	w  io.Writer
}

func (*plainProgress) settled(int64, *tally) {}
func (*plainProgress) end()                  {}

func (p *plainProgress) waiting(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.w, why)
}

// redraw is how often the bar is drawn at most, but for what it waits for.
const redraw = 100 * time.Millisecond

// barProgress draws; that a terminal can't be written to is of no consequence.
type barProgress struct {
	bar     *progressbar.ProgressBar
	drawn   time.Time
	pending int64 // bytes settled since
}

func (p *barProgress) settled(bytes int64, t *tally) {
	p.pending += bytes
	now := time.Now()
	if now.Sub(p.drawn) < redraw {
		return
	}
	text := fmt.Sprintf("%d acknowledged", t.acknowledged+t.known)
	if t.refused > 0 {
		text += fmt.Sprintf(", %d refused", t.refused)
	}
	p.bar.Describe(text)
	_ = p.bar.Add64(p.pending)
	p.drawn, p.pending = now, 0
}

func (p *barProgress) waiting(why string) { p.bar.Describe(why) }

func (p *barProgress) end() {
	_ = p.bar.Exit()
	_ = p.bar.Clear()
}
