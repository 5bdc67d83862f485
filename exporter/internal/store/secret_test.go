package store

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// A telephone number has few enough digits to try them all: its hash alone would
// give it away.
func TestWhoAnEventIsAboutIsInNoFileAsTextAndInEachStoreUnderAnotherKey(t *testing.T) {
	t.Parallel()
	var keys [2][]byte
	for i := range keys {
		path := filepath.Join(t.TempDir(), "store.db")
		s := openAt(t, path)
		e := &Event{Source: "s", Kind: KindMessage, Key: Key("1"), ContentHash: Key("1"), Body: []byte("{}"), Customer: "a-customer-of-ours", Caller: "15558675309"}
		if _, err := s.Accept(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if err := s.reader.QueryRow(`SELECT caller_key FROM event WHERE customer_key = ? AND caller_key <> customer_key`,
			s.personMAC(roleCustomer, e.Customer)).Scan(&keys[i]); err != nil {
			t.Fatal(err)
		}
		for _, suffix := range []string{"", "-wal"} {
			data, err := os.ReadFile(path + suffix)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(data, []byte(e.Customer)) || bytes.Contains(data, []byte(e.Caller)) {
				t.Errorf("store.db%s says who called", suffix)
			}
		}
	}
	if len(keys[0]) != 32 || bytes.Equal(keys[0], keys[1]) {
		t.Errorf("the same caller in two stores: %x and %x", keys[0], keys[1])
	}
}
