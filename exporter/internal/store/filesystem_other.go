//go:build !linux

package store

// fileSystem is known on Linux only.
func fileSystem(string) FileSystem { return LocalDisk }
