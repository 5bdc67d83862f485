package store

import (
	"os"
	"syscall"
)

// allocate gives a file place on the disk without writing it.
func allocate(f *os.File, size int64) error { return syscall.Fallocate(int(f.Fd()), 0, 0, size) }
