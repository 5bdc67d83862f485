package store

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
)

// openSecret reads the key under which persons are found, and makes it with the
// first open. Without it a telephone number would be found from its hash by trying
// all numbers; with a copy of this file it still is.
func (s *Store) openSecret(t *tx) error {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails; see crypto/rand
	err := t.exec(`INSERT INTO secret (name, bytes) VALUES ('person', ?) ON CONFLICT (name) DO NOTHING`, key)
	if err != nil {
		return err
	}
	_, err = t.one(`SELECT bytes FROM secret WHERE name = 'person'`, nil, &s.personKey)
	return err
}

// Roles of a person.
const (
	roleCustomer = 'u'
	roleCaller   = 'p'
)

// personMAC is what a person is found by; nil for nobody.
func (s *Store) personMAC(role byte, name string) []byte {
	if name == "" {
		return nil
	}
	mac := hmac.New(sha256.New, s.personKey)
	mac.Write([]byte{role})
	mac.Write([]byte(name))
	return mac.Sum(nil)
}

func nilIfEmpty(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}
