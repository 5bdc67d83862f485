package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func open(t *testing.T, path, url string) *replayState {
	t.Helper()
	s, err := openState(path, url)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func shut(t *testing.T, s *replayState) {
	t.Helper()
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
}

func TestAStateRemembersAcrossRunsUntilItIsFinished(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	bodies := numbered(100)
	for i, body := range bodies {
		s := open(t, path, "http://a/")
		for j, earlier := range bodies {
			if s.has(hashOf([]byte(earlier))) != (j < i) {
				t.Fatalf("run %d: body %d", i, j)
			}
		}
		if err := s.add(hashOf([]byte(body))); err != nil {
			t.Fatal(err)
		}
		shut(t, s)
	}
	s := open(t, path, "http://a/")
	s.finished()
	shut(t, s)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("it is still there (%v)", err)
	}
}

// A process that is killed closes nothing; one that is killed while it writes, or a
// full disk, leaves half a line.
func TestAStateOfAKilledRunHoldsWhatWasAdded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	killed := open(t, path, "http://a/")
	bodies := numbered(3)
	for _, body := range bodies[:2] {
		if err := killed.add(hashOf([]byte(body))); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	second := len(whole) - 33 // where the line of the second body begins
	for cut := second; cut <= len(whole); cut++ {
		path := filepath.Join(t.TempDir(), "state")
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, path, "http://a/")
		if err := s.add(hashOf([]byte(bodies[2]))); err != nil {
			t.Fatal(err)
		}
		shut(t, s)
		s = open(t, path, "http://a/")
		// Its line break alone may be missing.
		if !s.has(hashOf([]byte(bodies[0]))) || !s.has(hashOf([]byte(bodies[2]))) || s.has(hashOf([]byte(bodies[1]))) != (cut >= len(whole)-1) {
			t.Errorf("cut at %d of %d", cut, len(whole))
		}
		shut(t, s)
	}
	shut(t, killed)
}

func TestAStateThatIsNotOfThisReplayIsRefusedAndKept(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		stateHead + "http://b/\n": " is of an unfinished replay to http://b/; finish that one, remove the file, or name another",
		`{"event":{}}`:            " is not the state of a replay; name another file",
		stateHead + "http://a/":   " is not the state of a replay; name another file",
		strings.Repeat("x", 9999): " is not the state of a replay; name another file",
	} {
		path := filepath.Join(t.TempDir(), "state")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openState(path, "http://a/"); err == nil || err.Error() != "--state: "+path+want {
			t.Errorf("%q: %v", content, err)
		}
		if kept, err := os.ReadFile(path); err != nil || string(kept) != content {
			t.Errorf("%q is now %q (%v)", content, kept, err)
		}
	}
	if _, err := openState(filepath.Join(t.TempDir(), "absent", "state"), "http://a/"); err == nil || !strings.HasSuffix(err.Error(), "no such file or directory; name a file that can be written") {
		t.Error(err)
	}
}

func TestAStateThatRemembersNothingLeavesNoFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	shut(t, open(t, path, "http://a/"))
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("it is there (%v)", err)
	}
}
