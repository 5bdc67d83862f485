package correlator

import (
	"context"
	"time"

	"cdr2otel/mapping"
)

// Hash is the hashed form of a log id, as Config.LogKey gives it.
type Hash = [32]byte

// Kind says what a subject is: what is exported as one.
type Kind string

// Kinds of subject.
const (
	Call         Kind = "call"         // a CDR and its messages
	Conversation Kind = "conversation" // messages that no call owns
	Late         Kind = "late"         // one message whose call was already assembled
	Record       Kind = "log"          // the log record of one message
)

// Subject is a claimed subject, due now.
type Subject struct {
	Source string
	Kind   Kind
	Reason string // why it is due; a closed set
	CallID string // of the call, also of a late message's call

	Owned    []Hash            // log ids that this call owns
	Missing  int               // of them, those whose message never came
	Orphaned []mapping.SpanRef // conversations in which messages of this call left
	// Parent is what a late message hangs from, and a log record as far as it is
	// known: without a call it is zero, while the call is open it has no span.
	Parent mapping.SpanRef
	Named  bool // Parent is the turn that names the message, not the root
	// Segment is the log id of the first message of the conversation that a log
	// record's message is in; empty if that is not known.
	Segment string

	// Handle is the inbox's own; it comes back in the Assembly.
	Handle any
}

// Member is one event of a subject.
type Member struct {
	EventID     int64
	CDR         bool // else a message log
	ReceivedAt  time.Time
	Body        []byte
	Headers     []byte // kept request headers, a JSON object, or nil
	ContentHash Hash
}

// Observation is what a synchronous webhook showed of a session.
type Observation struct {
	ID         int64
	ReceivedAt time.Time
	Body       []byte // a mapping.Observation in JSON
}

// Request is an encoded OTLP request.
type Request struct {
	Signal string // signalTraces or signalLogs
	Body   []byte
}

// Signals of requests, as OTLP names them.
const (
	signalTraces = "traces"
	signalLogs   = "logs"
)

// Assembly is the outcome of one subject, committed in one transaction.
type Assembly struct {
	Subject  Subject
	Members  []int64
	Requests []Request // in their order
	Root     mapping.SpanRef
	Turns    map[Hash]mapping.SpanRef // by log id: what later messages hang from
	Observed []int64                  // the observations that went into it
	// Record: messages are in no event of the requests. Those that have no log record,
	// because they came before a reload moved events there, need one.
	Record bool
	// Overview is what a list of calls shows; nil of what is no call or conversation.
	Overview *mapping.Overview
	// DeadReason and DeadDetail are set when the members can't be mapped.
	DeadReason, DeadDetail string
}

// Assembled is a subject that was committed, for those who count.
type Assembled struct {
	Subject  Subject
	Messages int
	// Orphaned are the phone messages of a conversation: their CDR did not come.
	Orphaned int
	// ReceivedAt is when a call's CDR was first received.
	ReceivedAt time.Time
	// Trace without its requests; nil of a log record, when the members became dead
	// letters, or when a call had taken them all.
	Trace *mapping.Trace
	// Anomalies counts what the input had wrong.
	Anomalies map[string]int
}

// Inbox is where due subjects come from and assemblies go.
type Inbox interface {
	// Claim takes up to limit due subjects, oldest due time first, and tells when
	// the next one will be due (zero: none waits). It may block on a commit.
	Claim(ctx context.Context, limit int) (due []Subject, next time.Time, err error)
	// Read calls each for every member, CDR first. Bodies are valid only during
	// the call.
	Read(ctx context.Context, s Subject, each func(Member) error) error
	// Observations calls each for what synchronous webhooks showed of the sessions of
	// a call or conversation. Bodies are valid only during the call.
	Observations(ctx context.Context, s Subject, each func(Observation) error) error
	// Commit is all or nothing. It answers ErrLost when the claim was lost; then
	// another claimant has, or will have, the subject.
	Commit(ctx context.Context, a Assembly) error
}
