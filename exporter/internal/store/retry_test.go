package store

import (
	"fmt"
	"path/filepath"
	"testing"
)

func TestACountOfDeadLettersIsBoundedAndSaysWhetherItIsWhole(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "store.db"), MaxSize: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		key := Key("other", fmt.Sprint(n))
		if _, err := s.Accept(t.Context(), &Event{Source: "s", Kind: KindOther, Key: key, ContentHash: key, Body: []byte("{}"), DeadReason: "unsupported"}); err != nil {
			t.Fatal(err)
		}
	}
	for looked, whole := range map[int64]bool{2: false, 4: true} {
		counts, all, err := s.retryableReasons(t.Context(), "", looked)
		if err != nil || all != whole || len(counts) != 0 {
			t.Errorf("of %d dead letters: %v, whole: %t, want %t; %v", looked, counts, all, whole, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
