package store

import "time"

// quietSource is how long a source must be known, and have sent no message log,
// until its calls stop waiting for them.
const quietSource = time.Hour

// heardStep is the precision to which the last message is kept: one row is not
// rewritten for every event.
const heardStep = time.Minute

// sourceClock is the writer's copy of a row of the table source.
type sourceClock struct {
	firstAt, messageAt int64
}

// heard notes that a source sent something, and when it last sent a message log.
func (t *tx) heard(in *intake) error {
	clock, err := t.sourceClock(in.Source)
	if err != nil {
		return err
	}
	message := in.Kind == KindMessage && t.now >= clock.messageAt+int64(heardStep)
	if clock.firstAt != 0 && !message {
		return nil
	}
	if clock.firstAt == 0 {
		clock.firstAt = t.now
	}
	if message {
		clock.messageAt = t.now
	}
	return t.exec(`INSERT INTO source (name, first_at, message_at) VALUES (?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET
			first_at = CASE WHEN excluded.first_at < source.first_at THEN excluded.first_at ELSE source.first_at END,
			message_at = CASE WHEN excluded.message_at > source.message_at THEN excluded.message_at ELSE source.message_at END`,
		in.Source, clock.firstAt, clock.messageAt)
}

func (t *tx) sourceClock(source string) (*sourceClock, error) {
	if clock, ok := t.sources[source]; ok {
		return clock, nil
	}
	clock := new(sourceClock)
	_, err := t.one(`SELECT first_at, message_at FROM source WHERE name = ?`, []any{source}, &clock.firstAt, &clock.messageAt)
	if err != nil {
		return nil, err
	}
	t.sources[source] = clock
	return clock, nil
}

// sendsNoMessages tells whether a call of this source need not wait for message
// logs: the source is known for an hour and none came in that hour.
func (t *tx) sendsNoMessages(source string) (bool, error) {
	clock, err := t.sourceClock(source)
	if err != nil {
		return false, err
	}
	before := t.now - int64(quietSource)
	if clock.messageAt < before && t.engine.shared() {
		// Others may have heard of it since.
		delete(t.sources, source)
		if clock, err = t.sourceClock(source); err != nil {
			return false, err
		}
	}
	return clock.firstAt < before && clock.messageAt < before, nil
}
