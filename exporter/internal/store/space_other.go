//go:build !linux && !darwin

package store

import "io/fs"

// freeSpace is not known here: only Config.MaxSize bounds the store, and a full
// disk shows when a write fails.
func freeSpace(string) (free int64, ok bool) { return 0, false }

func fileOwner(fs.FileInfo) string { return "another user" }
