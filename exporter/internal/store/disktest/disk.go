// Package disktest is a disk that fails as disks do, for the tests of the store:
// below SQLite it sees every write and sync, makes chosen ones fail, and knows what
// a power loss would leave at any moment. And small file systems of their own.
package disktest

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// Kind of an operation.
type Kind string

// Kinds of operation.
const (
	Open     Kind = "open"
	Read     Kind = "read"
	Write    Kind = "write"
	Truncate Kind = "truncate"
	Sync     Kind = "sync"
	Delete   Kind = "delete"
)

// Op is an operation on a file.
type Op struct {
	N    int // counts them from 1
	Kind Kind
	File string // base name
	At   int64  // Write, Read: where; Truncate: the new size
	Size int    // Write, Read: how many bytes
}

// Fault is how an operation fails. Code is an extended result code of SQLite, 0:
// it does not. Persisted: what it was asked for happened all the same. A sync that
// fails otherwise drops what it should have made durable, as Linux does: no later
// sync writes that.
type Fault struct {
	Code      int32
	Persisted bool
}

// Disk is a directory whose SQLite files are watched.
type Disk struct {
	dir string

	mu    sync.Mutex // guards what follows, and orders the operations
	n     int
	fail  func(Op) Fault
	files map[string]*file
	log   []Op
	lying bool
}

// file is what is known of a file beyond its present content.
type file struct {
	durable []byte
	pending []change // since the last sync, in order
	named   bool     // its name is durable
	gone    bool     // it was deleted, and that may not be durable
}

// change is a write, or with data nil a truncation to size at.
type change struct {
	at   int64
	data []byte
	lost bool // dropped by a sync that failed
}

// Watch watches the SQLite files of a directory until the test ends.
func Watch(t testing.TB, dir string) *Disk {
	t.Helper()
	registered()
	d := &Disk{dir: dir, files: make(map[string]*file)}
	if _, twice := watched.LoadOrStore(dir, d); twice {
		t.Fatalf("%s is watched already", dir)
	}
	t.Cleanup(func() { watched.Delete(dir) })
	return d
}

// Fail asks fn before each operation from now on; nil ends that. fn is called with
// one operation at a time and must not block.
func (d *Disk) Fail(fn func(Op) Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = fn
}

// Lie lets syncs do nothing from now on, as a disk does that says yes to its cache.
func (d *Disk) Lie() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lying = true
}

// Log is every operation so far but reads.
func (d *Disk) Log() []Op {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.log)
}

// Ops is how many operations there were.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.n
}

func (d *Disk) fault(o Op) Fault {
	d.n++
	o.N = d.n
	if o.Kind != Read {
		d.log = append(d.log, o)
	}
	if d.fail == nil {
		return Fault{}
	}
	return d.fail(o)
}

func (d *Disk) opened(name string) {
	f := d.files[name]
	if f != nil && !f.gone {
		return
	}
	// A database is made under another name and renamed once it is complete.
	if draft := d.files[name+".new"]; draft != nil {
		delete(d.files, name+".new")
		d.files[name] = draft
		return
	}
	content, _ := os.ReadFile(filepath.Join(d.dir, name))
	d.files[name] = &file{durable: content, named: len(content) > 0}
}

func (d *Disk) deleted(name string, durably bool) {
	if f := d.files[name]; f != nil && !durably {
		f.gone = true
		return
	}
	delete(d.files, name)
}

func (d *Disk) wrote(name string, at int64, data []byte) {
	f := d.files[name]
	f.pending = append(f.pending, change{at: at, data: slices.Clone(data)})
}

func (d *Disk) truncated(name string, size int64) {
	f := d.files[name]
	f.pending = append(f.pending, change{at: size})
}

func (d *Disk) synced(name string) {
	if d.lying {
		return
	}
	f := d.files[name]
	f.named = true
	for _, c := range f.pending {
		if !c.lost {
			f.durable = c.apply(f.durable)
		}
	}
	f.pending = nil
}

// dropped is a sync that failed.
func (d *Disk) dropped(name string) {
	f := d.files[name]
	for i := range f.pending {
		f.pending[i].lost = true
	}
}

func (c change) apply(content []byte) []byte {
	end := c.at + int64(len(c.data))
	if c.data == nil && end < int64(len(content)) {
		return content[:end:end]
	}
	if grow := end - int64(len(content)); grow > 0 {
		content = append(content, make([]byte, grow)...)
	}
	copy(content[c.at:], c.data)
	return content
}

// sector is what a disk writes whole or not at all.
const sector = 512

// Fate of what was written and not synced when the power fails.
type Fate int

// Fates.
const (
	Lost  Fate = iota // nothing of it is there
	Kept              // all of it is
	Mixed             // of each sector any state it was in since
)

// PowerLoss is the files as they are found after the power failed now.
func (d *Disk) PowerLoss(fate Fate, random *rand.Rand) map[string][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := make(map[string][]byte)
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		f := d.files[name]
		switch {
		case f.gone && (fate == Kept || fate == Mixed && random.IntN(2) == 0):
		case !f.named && (fate == Lost || fate == Mixed && random.IntN(2) == 0):
		default:
			left[name] = f.found(fate, random)
		}
	}
	return left
}

func (f *file) found(fate Fate, random *rand.Rand) []byte {
	switch fate {
	case Lost:
		return slices.Clone(f.durable)
	case Kept:
		content := slices.Clone(f.durable)
		for _, c := range f.pending {
			content = c.apply(content)
		}
		return content
	}
	// The size, like each sector, is one that the file had since the last sync.
	content, sizes := slices.Clone(f.durable), []int{len(f.durable)}
	versions := make(map[int64][][]byte) // of a sector, by its number
	for _, c := range f.pending {
		content = c.apply(content)
		sizes = append(sizes, len(content))
		if c.data == nil {
			continue
		}
		for n := c.at / sector; n*sector < c.at+int64(len(c.data)); n++ {
			from := n * sector
			versions[n] = append(versions[n], slices.Clone(content[from:min(from+sector, int64(len(content)))]))
		}
	}
	found := make([]byte, sizes[random.IntN(len(sizes))])
	copy(found, f.durable)
	for _, n := range slices.Sorted(maps.Keys(versions)) {
		all := versions[n]
		if k := random.IntN(len(all) + 1); k < len(all) && n*sector < int64(len(found)) {
			copy(found[n*sector:], all[k])
		}
	}
	return found
}

// Restore writes files that PowerLoss found into a directory.
func Restore(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
