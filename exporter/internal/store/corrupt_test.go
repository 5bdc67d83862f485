package store_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"cdr2otel/exporter/internal/store"
)

// crashed are the files of a store that was killed, in a directory of their own: a
// database, and a log with the last transactions, one for each of the calls.
func crashed(t *testing.T, calls int) (path string, names []string) {
	t.Helper()
	from := filled(t)
	s := mustOpen(t, from)
	for n := range calls {
		name := fmt.Sprint("call ", n)
		if _, err := s.Accept(t.Context(), call(name, 3000)); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	path = filepath.Join(t.TempDir(), "cdr2otel.db")
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(from + suffix)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path+suffix, content)
	}
	return path, names
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A page that was overwritten with anything is refused or, where no check of
// SQLite's can see it (the inside of a stored body), costs no event but that one.
func TestADamagedDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	path := filled(t)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 3))
	pages := len(content) / 4096
	for page := 1; page < pages; page++ {
		for _, size := range []int{100, 4096} {
			broken := bytes.Clone(content)
			for i := range size {
				broken[page*4096+i] = byte(random.Uint32())
			}
			write(t, path, broken)
			refused(t, path, "is damaged, nothing was changed", "restore it from a copy")
		}
	}
	for _, size := range []int{1, 50, 4096, len(content) / 2, len(content) - 4096, len(content) - 1} {
		write(t, path, content[:size])
		refused(t, path, "restore", "nothing was changed")
	}
	write(t, path, content)
	mustOpen(t, path)
}

func TestAnEmptyFileIsNotTakenForANewStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cdr2otel.db")
	write(t, path, nil)
	refused(t, path, "is empty", "restore it from a copy", "remove it to begin anew")
}

func TestADatabaseWithOtherTablesIsRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"an index is gone":     `DROP INDEX event_key`,
		"a table is gone":      `DROP TABLE ledger`,
		"a column was added":   `ALTER TABLE event ADD COLUMN note TEXT`,
		"another program's":    `DROP TABLE event; CREATE TABLE event (id INTEGER PRIMARY KEY, url TEXT)`,
		"no version is stored": `PRAGMA user_version = 0`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filled(t)
			execRaw(t, path, change)
			refused(t, path, "holds other tables", "give store.url another file")
		})
	}
	path := filled(t)
	execRaw(t, path, `CREATE TABLE mine (note TEXT); ANALYZE`)
	mustOpen(t, path)
}

// What SQLite takes for the end of a log is damage when more transactions follow:
// opening would write over them.
func TestADamagedLogIsRefused(t *testing.T) {
	t.Parallel()
	path, names := crashed(t, 20)
	log, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	const frame = 4096 + 24
	frames := (len(log) - 32) / frame
	if frames < 60 {
		t.Fatalf("%d frames of 20 transactions", frames)
	}
	for _, damage := range []struct {
		name string
		at   int
		size int
	}{
		{"its header", 0, 32},
		{"a bit of its header", 9, 1},
		{"its first frame", 32, frame},
		{"a bit of its first page", 32 + 24 + 2000, 1},
		{"a frame in the middle", 32 + frames/2*frame, frame},
		{"a bit in the middle", 32 + frames/2*frame + 1000, 1},
	} {
		broken := bytes.Clone(log)
		for i := range damage.size {
			broken[damage.at+i] ^= 0x55
		}
		write(t, path+"-wal", broken)
		t.Log(damage.name)
		refused(t, path, "-wal is damaged, nothing was changed", "restore it from a copy")
	}
	write(t, path+"-wal", bytes.Repeat([]byte("garbage "), 10_000))
	refused(t, path, "-wal is damaged, nothing was changed")
	write(t, path+"-wal", log)
	holds(t, path, names)
}

// A log that ends anywhere is what a power loss leaves of its last transaction, and
// the start must go on with the rest.
func TestALogThatIsTornAtItsEndIsRecovered(t *testing.T) {
	t.Parallel()
	path, names := crashed(t, 10)
	whole := files(path)
	log := []byte(whole[path+"-wal"])
	random := rand.New(rand.NewPCG(4, 4))
	for n := range 12 {
		torn := bytes.Clone(log[:len(log)-random.IntN(4000)-1])
		if n%2 == 1 { // the end is there, but not what it says
			torn = bytes.Clone(log)
			torn[len(torn)-1-random.IntN(4000)] ^= 1
		}
		dir := t.TempDir()
		copied := filepath.Join(dir, "cdr2otel.db")
		write(t, copied, []byte(whole[path]))
		write(t, copied+"-wal", torn)
		holds(t, copied, names[:len(names)-1])
	}
}

// A log of no length is what a clean end of an empty one leaves. What the database
// holds is there.
func TestALogWithoutLengthIsNoDamage(t *testing.T) {
	t.Parallel()
	path, _ := crashed(t, 3)
	for _, size := range []int{0, 31, 32} {
		write(t, path+"-wal", make([]byte, size))
		s := mustOpen(t, path)
		ledger, err := s.Ledger(t.Context())
		if err != nil || ledger["s"][store.StateAccepted] != 50 {
			t.Errorf("log of %d bytes: ledger %v, %v; want the 50 events of the database", size, ledger, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// holds opens a database and wants these calls in it.
func holds(t *testing.T, path string, names []string) {
	t.Helper()
	s := mustOpen(t, path)
	there := keys(t, path)
	for _, name := range names {
		if !there[store.Key(name)] {
			t.Errorf("%s is gone", name)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
