package store

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Bodies are packed with S2: they live for seconds and pass on the way to a
// 2xx. Requests are packed with Zstandard: they stay until retention.

// errBytes: what was stored is not what is read. SQLite's pages hold no checksum,
// so its checks do not see that.
var errBytes = errors.New("stored bytes are damaged")

func packBody(body []byte) []byte { return s2.Encode(nil, body) }

// unpackBody reuses dst when it is large enough.
func unpackBody(dst, packed []byte) ([]byte, error) {
	body, err := s2.Decode(dst[:cap(dst)], packed)
	if err != nil {
		return nil, fmt.Errorf("unpack body: %w: %w", errBytes, err)
	}
	return body, nil
}

// codec packs requests. Both halves may be used by many goroutines at once.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newCodec() (codec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(1<<18), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return codec{}, fmt.Errorf("zstd encoder: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true))
	if err != nil {
		return codec{}, fmt.Errorf("zstd decoder: %w", err)
	}
	return codec{enc, dec}, nil
}

func (c codec) pack(request []byte) []byte {
	return c.enc.EncodeAll(request, make([]byte, 0, len(request)/3+64))
}

func (c codec) unpack(packed []byte) ([]byte, error) {
	request, err := c.dec.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("unpack request: %w: %w", errBytes, err)
	}
	return request, nil
}

// close ends what the codec started.
func (c codec) close() {
	_ = c.enc.Close()
	c.dec.Close()
}
