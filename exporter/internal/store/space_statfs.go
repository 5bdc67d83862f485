//go:build linux || darwin

package store

import (
	"io/fs"
	"os/user"
	"strconv"
	"syscall"
)

// freeSpace is what the file system of a directory has left for this user, in
// bytes. Quotas are not in it.
func freeSpace(dir string) (free int64, ok bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}

// fileOwner is the user that a file belongs to, in words.
func fileOwner(file fs.FileInfo) string {
	s, ok := file.Sys().(*syscall.Stat_t)
	if !ok {
		return "another user"
	}
	uid := strconv.FormatUint(uint64(s.Uid), 10)
	if u, err := user.LookupId(uid); err == nil {
		return "user " + u.Username
	}
	return "user " + uid
}
