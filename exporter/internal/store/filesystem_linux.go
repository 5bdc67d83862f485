package store

import "syscall"

// magic numbers of file systems (statfs(2), linux/magic.h). A FUSE is taken for
// what it mostly is.
var magic = map[uint32]FileSystem{
	0x6969:     Network, // NFS
	0xff534d42: Network, // CIFS
	0xfe534d42: Network, // SMB 2
	0x517b:     Network, // SMB
	0x01021997: Network, // 9P
	0x00c36400: Network, // Ceph
	0x65735546: Network, // FUSE
	0x5346414f: Network, // AFS
	0x47504653: Network, // GPFS
	0x0bd00bd0: Network, // Lustre
	0x01021994: Memory,  // tmpfs
	0x858458f6: Memory,  // ramfs
	0x794c7630: Layer,   // overlayfs
}

// fileSystem is the kind of the one that holds a directory.
func fileSystem(dir string) FileSystem {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return LocalDisk
	}
	return magic[uint32(s.Type)]
}
