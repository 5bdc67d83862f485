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
	if _, err := t.one(`SELECT bytes FROM secret WHERE name = 'person'`, nil, &key); err != nil {
		return err
	}
	s.personKey.Store(&key)
	return nil
}

// Roles of a person.
const (
	roleCustomer = 'u'
	roleCaller   = 'p'
)

// personMAC is what a person is found by; nil for nobody, and before the database was
// there for the first time: then nothing is written or searched.
func (s *Store) personMAC(role byte, name string) []byte {
	key := s.personKey.Load()
	if name == "" || key == nil {
		return nil
	}
	mac := hmac.New(sha256.New, *key)
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
