package store

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Layout of a write-ahead log, https://sqlite.org/fileformat2.html#walformat.
const (
	logHeaderSize   = 32
	frameHeaderSize = 24
	logMagic        = 0x377f0682 // or 1 more: checksums of big-endian words
	logVersion      = 3007000
)

// inspectLog tells the size of a log, and refuses one in which something is damaged that was synced before.
// SQLite reads a log up to the first frame that does not hold, takes that for the
// end, and writes over the rest: right after a power loss, when only the last
// transaction may be torn. But what was acknowledged must not go in silence, and a
// transaction begins only after the one before it was synced. So behind a frame
// that does not hold there is at most one end of a transaction, and a header that
// does not hold has no frames, because it is synced before the first of them.
func inspectLog(path string) (size int64, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, unwritable(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if info.Size() <= logHeaderSize {
		return info.Size(), nil
	}
	log := walk{from: bufio.NewReaderSize(f, 1<<16)}
	if !log.header() {
		return 0, damaged(path, "its first bytes are not those of a log, and others follow")
	}
	valid := 0
	for log.frame() && log.holds() {
		valid++
	}
	ends := 0
	for more := log.full; more; more = log.frame() {
		if log.salted() && log.ends() {
			ends++
		}
	}
	if log.err == nil && ends > 1 {
		log.err = damaged(path, fmt.Sprintf("frame %d does not hold, and %d transactions follow", valid+1, ends))
	}
	return info.Size(), log.err
}

// walk reads a log frame by frame.
type walk struct {
	from  io.Reader
	order binary.ByteOrder
	salts [8]byte
	sum   [2]uint32
	full  bool // there is a frame in these:
	head  [frameHeaderSize]byte
	page  []byte
	err   error
}

func (w *walk) read(b []byte) bool {
	_, err := io.ReadFull(w.from, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		w.err = err
	}
	return err == nil
}

func (w *walk) header() bool {
	var head [logHeaderSize]byte
	if !w.read(head[:]) {
		return false
	}
	word := func(at int) uint32 { return binary.BigEndian.Uint32(head[at:]) }
	w.order = binary.LittleEndian
	if word(0)&1 == 1 {
		w.order = binary.BigEndian
	}
	size := word(8)
	if word(0)&^1 != logMagic || word(4) != logVersion || size < 512 || size > 1<<16 {
		return false
	}
	copy(w.salts[:], head[16:])
	w.page = make([]byte, size)
	w.add(head[:24])
	return w.sum == [2]uint32{word(24), word(28)}
}

func (w *walk) frame() bool {
	w.full = w.read(w.head[:]) && w.read(w.page)
	return w.full
}

// add goes on with the checksum, which runs through all frames.
func (w *walk) add(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		w.sum[0] += w.order.Uint32(b) + w.sum[1]
		w.sum[1] += w.order.Uint32(b[4:]) + w.sum[0]
	}
}

// holds tells whether the frame follows on the one before it.
func (w *walk) holds() bool {
	w.add(w.head[:8])
	w.add(w.page)
	return w.salted() && w.sum == [2]uint32{binary.BigEndian.Uint32(w.head[16:]), binary.BigEndian.Uint32(w.head[20:])}
}

// salted tells whether the frame was written since the log last began anew.
func (w *walk) salted() bool { return bytes.Equal(w.head[8:16], w.salts[:]) }

// ends tells whether the frame is the last of a transaction.
func (w *walk) ends() bool { return binary.BigEndian.Uint32(w.head[4:]) != 0 }
