package disktest

import (
	"path/filepath"
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// The layer is SQLite's own: a VFS in front of the one that works on files. Only
// opening and deleting go through it for every file; reading, writing, cutting and
// syncing only for those in a watched directory. It is the default from the first
// Watch on, so that the code under test is opened as it is in production.

var (
	registered = sync.OnceFunc(register)
	real       uintptr // the VFS behind ours
	realVFS    sqlite3.Tsqlite3_vfs

	watched sync.Map // directory → *Disk
	opened  sync.Map // sqlite3_file → *handle
	methods sync.Map // io methods of the VFS behind → ours
)

// handle is an open file.
type handle struct {
	disk *Disk
	name string
	io   sqlite3.Tsqlite3_io_methods // of the VFS behind
}

func register() {
	tls := libc.NewTLS() // lives as long as the VFS: to the end of the process
	real = sqlite3.Xsqlite3_vfs_find(tls, 0)
	realVFS = *at[sqlite3.Tsqlite3_vfs](real)
	name, err := libc.CString("watched")
	if err != nil {
		panic(err)
	}
	ours := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(realVFS)))
	vfs := at[sqlite3.Tsqlite3_vfs](ours)
	*vfs = realVFS
	vfs.FzName, vfs.FpNext = name, 0
	vfs.FxOpen, vfs.FxDelete = pointer(xOpen), pointer(xDelete)
	if rc := sqlite3.Xsqlite3_vfs_register(tls, ours, 1); rc != sqlite3.SQLITE_OK {
		panic(rc)
	}
}

// at is the C value at an address.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

// pointer is what C code calls a top-level function by, and function the reverse.
func pointer[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

func function[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&p)) }

type (
	openFunc     = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32
	deleteFunc   = func(tls *libc.TLS, vfs, name uintptr, syncDir int32) int32
	closeFunc    = func(tls *libc.TLS, file uintptr) int32
	moveFunc     = func(tls *libc.TLS, file, buffer uintptr, n int32, at int64) int32
	truncateFunc = func(tls *libc.TLS, file uintptr, size int64) int32
)

func diskOf(name uintptr) (*Disk, string) {
	if name == 0 {
		return nil, ""
	}
	path := libc.GoString(name)
	if d, ok := watched.Load(filepath.Dir(path)); ok {
		return d.(*Disk), filepath.Base(path)
	}
	return nil, ""
}

func xOpen(tls *libc.TLS, _, name, file uintptr, flags int32, outFlags uintptr) int32 {
	open := function[openFunc](realVFS.FxOpen)
	d, base := diskOf(name)
	if d == nil {
		return open(tls, real, name, file, flags, outFlags)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.fault(Op{Kind: Open, File: base}); f.Code != 0 {
		at[sqlite3.Tsqlite3_file](file).FpMethods = 0
		return f.Code
	}
	rc := open(tls, real, name, file, flags, outFlags)
	f := at[sqlite3.Tsqlite3_file](file)
	if rc != sqlite3.SQLITE_OK || f.FpMethods == 0 {
		return rc
	}
	d.opened(base)
	opened.Store(file, &handle{disk: d, name: base, io: *at[sqlite3.Tsqlite3_io_methods](f.FpMethods)})
	f.FpMethods = ourMethods(tls, f.FpMethods)
	return rc
}

func ourMethods(tls *libc.TLS, behind uintptr) uintptr {
	if ours, ok := methods.Load(behind); ok {
		return ours.(uintptr)
	}
	p := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(sqlite3.Tsqlite3_io_methods{})))
	io := at[sqlite3.Tsqlite3_io_methods](p)
	*io = *at[sqlite3.Tsqlite3_io_methods](behind)
	io.FxClose, io.FxRead, io.FxWrite = pointer(xClose), pointer(xRead), pointer(xWrite)
	io.FxTruncate, io.FxSync = pointer(xTruncate), pointer(xSync)
	ours, _ := methods.LoadOrStore(behind, p)
	return ours.(uintptr)
}

func handleOf(file uintptr) *handle {
	h, _ := opened.Load(file)
	return h.(*handle)
}

func xDelete(tls *libc.TLS, _, name uintptr, syncDir int32) int32 {
	remove := function[deleteFunc](realVFS.FxDelete)
	d, base := diskOf(name)
	if d == nil {
		return remove(tls, real, name, syncDir)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.fault(Op{Kind: Delete, File: base}); f.Code != 0 {
		return f.Code
	}
	rc := remove(tls, real, name, syncDir)
	if rc == sqlite3.SQLITE_OK {
		d.deleted(base, syncDir != 0)
	}
	return rc
}

func xClose(tls *libc.TLS, file uintptr) int32 {
	h := handleOf(file)
	opened.Delete(file)
	return function[closeFunc](h.io.FxClose)(tls, file)
}

func xRead(tls *libc.TLS, file, buffer uintptr, n int32, offset int64) int32 {
	h := handleOf(file)
	h.disk.mu.Lock()
	f := h.disk.fault(Op{Kind: Read, File: h.name, At: offset, Size: int(n)})
	h.disk.mu.Unlock()
	if f.Code != 0 {
		return f.Code
	}
	return function[moveFunc](h.io.FxRead)(tls, file, buffer, n, offset)
}

func xWrite(tls *libc.TLS, file, buffer uintptr, n int32, offset int64) int32 {
	h := handleOf(file)
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	f := h.disk.fault(Op{Kind: Write, File: h.name, At: offset, Size: int(n)})
	if f.Code != 0 && !f.Persisted {
		return f.Code
	}
	rc := function[moveFunc](h.io.FxWrite)(tls, file, buffer, n, offset)
	if rc == sqlite3.SQLITE_OK {
		h.disk.wrote(h.name, offset, unsafe.Slice(at[byte](buffer), n))
	}
	return max(rc, f.Code)
}

func xTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	h := handleOf(file)
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	f := h.disk.fault(Op{Kind: Truncate, File: h.name, At: size})
	if f.Code != 0 && !f.Persisted {
		return f.Code
	}
	rc := function[truncateFunc](h.io.FxTruncate)(tls, file, size)
	if rc == sqlite3.SQLITE_OK {
		h.disk.truncated(h.name, size)
	}
	return max(rc, f.Code)
}

func xSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	h := handleOf(file)
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	f := h.disk.fault(Op{Kind: Sync, File: h.name})
	if f.Code != 0 && !f.Persisted {
		h.disk.dropped(h.name)
		return f.Code
	}
	// The real one costs time and proves nothing here: the memory of this disk is
	// what a power loss leaves.
	h.disk.synced(h.name)
	return f.Code
}
