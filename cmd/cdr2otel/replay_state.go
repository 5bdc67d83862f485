package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// bodyHash tells bodies from each other: 128 bits of SHA-256 over their bytes.
type bodyHash [16]byte

func hashOf(body []byte) bodyHash {
	sum := sha256.Sum256(body)
	return bodyHash(sum[:])
}

// stateHead begins the file, the URL follows.
const stateHead = "cdr2otel replay 1 "

// replayState is the file that remembers which bodies a URL has acknowledged: a
// line that names it, then a line with the hash of each. It remembers content, not
// places: files may be renamed, split and repaired between two runs. Sixteen bytes
// of memory for each body of earlier runs, none for those of this one.
//
// It is not synced. What a power loss takes away is posted again, which changes
// nothing at the receiver.
type replayState struct {
	path, url string
	file      *os.File
	before    []bodyHash // of earlier runs, sorted
	added     bool       // something in this run
}

// openState reads what earlier runs left at path, and is ready to add to it. An
// unusable file is better known before the first body is posted.
func openState(path, url string) (*replayState, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--state: %w; name a file that can be written", err)
	}
	s := &replayState{file: file, path: path, url: url}
	if err := s.load(bufio.NewReader(file)); err != nil {
		return nil, fmt.Errorf("--state: %w", errors.Join(err, file.Close()))
	}
	return s, nil
}

func (s *replayState) load(r *bufio.Reader) error {
	head, err := readLine(r)
	if err != nil {
		return err
	}
	if len(head) == 0 {
		_, err := s.file.WriteString(stateHead + s.url + "\n")
		return err
	}
	of, ours := bytes.CutPrefix(head, []byte(stateHead))
	switch {
	case !ours || !bytes.HasSuffix(of, []byte("\n")):
		return fmt.Errorf("%s is not the state of a replay; name another file", s.path)
	case string(of) != s.url+"\n":
		return fmt.Errorf("%s is of an unfinished replay to %s; finish that one, remove the file, or name another", s.path, bytes.TrimSpace(of))
	}
	return s.loadHashes(r)
}

func (s *replayState) loadHashes(r *bufio.Reader) error {
	torn := false
	for {
		line, err := readLine(r)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			break
		}
		torn = !bytes.HasSuffix(line, []byte("\n"))
		// A line that a crash or a full disk cut short is a body more to post.
		var hash bodyHash
		if text := bytes.TrimSuffix(line, []byte("\n")); len(text) == hex.EncodedLen(len(hash)) {
			if _, err := hex.Decode(hash[:], text); err == nil {
				s.before = append(s.before, hash)
			}
		}
	}
	slices.SortFunc(s.before, compareHashes)
	if torn {
		_, err := s.file.WriteString("\n")
		return err
	}
	return nil
}

// readLine reads a line with its end; the empty line is the end of the file.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, bufio.ErrBufferFull) {
		return line, nil
	}
	return nil, err
}

func compareHashes(a, b bodyHash) int { return bytes.Compare(a[:], b[:]) }

// has tells whether an earlier run had the body acknowledged.
func (s *replayState) has(hash bodyHash) bool {
	_, found := slices.BinarySearchFunc(s.before, hash, compareHashes)
	return found
}

// add remembers a body from now on: one write, so that killing the process loses
// nothing that was added.
func (s *replayState) add(hash bodyHash) error {
	line := make([]byte, 0, 2*len(hash)+1)
	line = append(hex.AppendEncode(line, hash[:]), '\n')
	if _, err := s.file.Write(line); err != nil {
		return fmt.Errorf("--state: %w", err)
	}
	s.added = true
	return nil
}

// remembers tells whether the next run has something to skip.
func (s *replayState) remembers() bool { return s.added || len(s.before) > 0 }

// finished forgets everything: all is acknowledged.
func (s *replayState) finished() { s.before, s.added = nil, false }

// close removes the file if it remembers nothing.
func (s *replayState) close() error {
	if err := s.file.Close(); err != nil || s.remembers() {
		return err
	}
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--state: %w", err)
	}
	return nil
}
