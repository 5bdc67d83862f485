package store

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
)

// newToken is one that begins with the name of this process.
func (s *Store) newToken() Token {
	var token Token
	_, _ = rand.Read(token[copy(token[:], s.name[:]):]) // never fails; see crypto/rand
	return token
}

// untold are the tokens of claims that nobody was told of, the last ones: their answer
// was lost with the database, or what they are about could not be read then. They are
// given back when there is a connection again, each time: a token is used once, so that
// one that was given back does nothing. More than these end by themselves.
type untold struct {
	mu   sync.Mutex // guards what follows
	last [16]Token
	next int
}

func (u *untold) add(token Token) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last[u.next%len(u.last)] = token
	u.next++
}

// noteUncertain notes the token of a claim that may have been committed.
func (u *untold) noteUncertain(token Token, err error) {
	if errors.Is(err, ErrUncertain) {
		u.add(token)
	}
}

func (u *untold) tokens() (all [][]byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range min(u.next, len(u.last)) {
		token := u.last[i]
		all = append(all, token[:])
	}
	return all
}

// unclaim gives back what was claimed and could not be read, because the database went
// away: now if it can, else when that is back. After any other error the claim stays:
// what fails by itself must not fail all the time, and not before others.
func (s *Store) unclaim(ctx context.Context, token Token, why error) {
	if !errors.Is(why, ErrUnavailable) {
		return
	}
	if err := s.writer.write(ctx, &op{stage: stageOther, run: func(t *tx) error { return t.unclaim(token) }}); err != nil {
		s.untold.add(token)
	}
}

func (t *tx) unclaim(token Token) error {
	if err := t.exec(`UPDATE subject SET claim_token = NULL, claim_until = 0 WHERE state = 'open' AND id > 0 AND due_at <= ? AND claim_token = ?`, t.now, token[:]); err != nil {
		return err
	}
	return t.exec(`UPDATE outbox SET claim_token = NULL, claim_until = 0 WHERE state = 'pending' AND id > 0 AND claim_token = ?`, token[:])
}

// ready gives back what this process had claimed on an earlier connection: subjects,
// since whoever works at one is fenced, and it costs little to do it again; and the
// requests of which it does not know. Those that it knows of it may be sending: given
// back they would be sent twice. The claims of others hold. What somebody else holds
// locked, such as the server's end of that connection, ends by itself.
func (p *postgres) ready(t *tx) error {
	if err := p.unclaimSubjects(t); err != nil {
		return err
	}
	tokens := p.store.untold.tokens()
	if len(tokens) == 0 {
		return nil
	}
	return t.exec(`UPDATE outbox SET claim_token = NULL, claim_until = 0 WHERE id IN (SELECT id FROM outbox
		WHERE state = 'pending' AND id > 0 AND claim_token = ANY(CAST(? AS BYTEA[])) FOR UPDATE SKIP LOCKED)`, tokens)
}

// unclaimSubjects: only what is due can be claimed.
func (p *postgres) unclaimSubjects(t *tx) error {
	return t.exec(`UPDATE subject SET claim_token = NULL, claim_until = 0 WHERE id IN (SELECT id FROM subject
		WHERE state = 'open' AND id > 0 AND due_at <= ? AND claim_until > 0 AND substring(claim_token FROM 1 FOR 8) = ? FOR UPDATE SKIP LOCKED)`, t.now, p.store.name[:])
}
