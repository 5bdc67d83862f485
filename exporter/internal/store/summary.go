package store

import (
	"time"
)

// Summary is what a call or conversation was, in the numbers that a list shows.
// Its assembly makes it; the trace has the rest.
type Summary struct {
	StartedAt   time.Time
	Duration    time.Duration
	Direction   string // inbound, outbound; "" of a conversation
	Result      string // wxa.call.result
	Channel     string // of a conversation
	Turns       int
	WorstTurn   time.Duration // the longest wait for an answer, NoWait if it was 0; 0: unknown
	Jitter      time.Duration // the larger maximum of both directions; 0: unknown
	LossPPM     int64         // the larger of both directions, parts per million; -1: unknown
	Warnings    int
	Failed      bool
	Transferred bool
	Slow        bool // a turn was slow or dead air
}

// NoWait stands for a Summary.WorstTurn of 0, which is known: it sorts behind every other
// wait and before what is not known. Webhooks measure in milliseconds.
const NoWait = time.Nanosecond

func (t *tx) summarize(subject Subject, u *Summary) error {
	if u == nil {
		return nil
	}
	return t.exec(`INSERT INTO summary (subject_id, source, kind, started_at, duration_ns, direction, result, channel, turns, worst_turn_ns,
			jitter_ns, loss_ppm, warnings, failed, transferred, slow)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		subject.ID, subject.Source, string(subject.Kind), nanoseconds(u.StartedAt), int64(u.Duration), display(u.Direction, maxDisplay),
		display(u.Result, maxDisplay), display(u.Channel, maxDisplay), u.Turns, int64(u.WorstTurn),
		int64(u.Jitter), u.LossPPM, u.Warnings, flag(u.Failed), flag(u.Transferred), flag(u.Slow))
}
