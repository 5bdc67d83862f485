//go:build linux || darwin

package store

import "syscall"

// freeSpace is what the file system of a directory has left for this user, in
// bytes. Quotas are not in it.
func freeSpace(dir string) (free int64, ok bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
