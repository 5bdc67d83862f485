//go:build !linux

package disktest

import "testing"

// Small is a file system of its own; it can be mounted on Linux only.
type Small struct{ Dir string }

// OnSmallDisk skips the test.
func OnSmallDisk(t *testing.T, _ int64, _ func(*testing.T, *Small)) {
	t.Skip("a file system of its own is mounted on Linux only")
}

// Free is 0 here.
func (*Small) Free() int64 { return 0 }

// Fill does nothing here.
func (*Small) Fill(int64) func() { return func() {} }

// ReadOnly does nothing here.
func (*Small) ReadOnly() {}
