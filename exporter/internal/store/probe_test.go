package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
	"cdr2otel/exporter/internal/store/disktest"
)

func TestAProbeCommitsBesideTheStoreAndLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, err := store.Probe(t.Context(), "sqlite:"+filepath.Join(dir, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Exists || p.Held || p.Commit <= 0 || p.Room <= 0 {
		t.Errorf("probed %+v", p)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v was left (%v)", left, err)
	}
}

func TestAProbeSeesThatAnotherProcessHasTheStoreOpenAndChangesNothing(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "store.db")
	s, err := store.Open(t.Context(), store.Config{URL: url, MaxSize: 10 << 20, Retention: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	path := strings.TrimPrefix(url, "sqlite:")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := store.Probe(t.Context(), url)
	if err != nil || !p.Exists || !p.Held {
		t.Errorf("probed %+v, %v", p, err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the store changed, or %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if p, err = store.Probe(t.Context(), url); err != nil || !p.Exists || p.Held {
		t.Errorf("after the end probed %+v, %v", p, err)
	}
}

func TestAProbeOfAFullDiskErrsAndLeavesNothing(t *testing.T) {
	disktest.OnSmallDisk(t, 1<<20, func(t *testing.T, disk *disktest.Small) {
		if err := os.WriteFile(filepath.Join(disk.Dir, "ballast"), make([]byte, 1<<20-8<<10), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := store.Probe(t.Context(), "sqlite:"+filepath.Join(disk.Dir, "store.db"))
		if err == nil {
			t.Error("it committed on a full disk")
		}
		if p.FileSystem != store.Memory {
			t.Errorf("the file system is %q, want memory", p.FileSystem)
		}
		left, err := os.ReadDir(disk.Dir)
		if err != nil || len(left) != 1 {
			t.Errorf("%v was left (%v)", left, err)
		}
	})
}
