// Package store is the durable inbox and outbox: raw webhook events before they
// are acknowledged, encoded OTLP requests before they are sent, and one
// transaction that leads from one to the other.
//
//	Accept ──► event, body ──► ClaimDue, Members ──► Assemble ──► outbox ──► ClaimRequests, Settle
//	2xx only                   the correlator joins   one           │         delivery sends
//	after commit               and maps               transaction   └──────► ledger
//
// Who may change what is written down in docs/architecture.md; the invariants
// cited as I1 to I8 are listed there too. Every write goes through one writer
// that groups whatever has gathered into one transaction (group commit).
package store

import (
	"errors"
	"time"
)

// Hash is a SHA-256. Payload text never becomes a key: one hostile id (a NUL,
// 3 kB) must not fail a whole group commit.
type Hash [32]byte

// Kind says what an event is.
type Kind string

// Kinds of event.
const (
	KindCDR     Kind = "cdr"     // a call detail record
	KindMessage Kind = "message" // a message log: one request/response pair
	KindOther   Kind = "other"   // an authentic event of an unknown name
)

// State is the state of an accepted event. Every accepted event is in exactly
// one (I2).
type State string

// States of an event.
const (
	StatePending   State = "pending"   // in the inbox or the outbox
	StateExported  State = "exported"  // every part of its subject is done, for every signal
	StateDead      State = "dead"      // kept with a reason until retried or expired
	StateDropped   State = "dropped"   // late, and late messages are dropped
	StateExpired   State = "expired"   // a dead letter whose time was up
	StateForgotten State = "forgotten" // deleted on a privacy request
)

// Outcome says what Accept did with an event.
type Outcome string

// Outcomes of Accept. All of them are answered 2xx, and all but OutcomeDuplicate
// count as accepted in the ledger.
const (
	OutcomeAccepted    Outcome = "accepted"
	OutcomeDuplicate   Outcome = "duplicate"   // same key, same content: counted on the row
	OutcomeConflict    Outcome = "conflict"    // same key, other content: dead letter
	OutcomeUnsupported Outcome = "unsupported" // dead on arrival, see Event.DeadReason
)

// Event is one webhook body to take in.
type Event struct {
	Source      string
	Kind        Kind
	Key         Hash      // identity within (source, kind)
	ContentHash Hash      // of the payload's canonical JSON
	ReceivedAt  time.Time // first receipt; part of what is mapped
	Body        []byte    // the payload, JSON
	Headers     []byte    // kept request headers for resource mapping, JSON object; may be nil

	// DeadReason, when set, makes the event a dead letter on arrival
	// ("unsupported", "unmappable"); DeadDetail says why in words.
	DeadReason string
	DeadDetail string

	// How the event joins. A zero Hash means "absent".
	TraceID  [16]byte
	CallID   []byte // CDR: what stands for the global_session_id in span paths
	LogKeys  []Hash // CDR: distinct non-empty log ids it names, in document order; message: its own
	SIPKey   Hash   // the SIP Call-ID
	Sessions []Hash // CDR: every session it names; message: its own

	// When its subject is due. A CDR waits Grace for the messages it names, or
	// not at all when NotExpected. A message that no call owns waits Quiet after
	// the session's last message.
	Grace       time.Duration
	NotExpected bool
	Quiet       time.Duration
	QuietReason Reason // ReasonWindow (phone) or ReasonIdle (other channels)
	// Late is what a message becomes that comes after its call was assembled.
	Late LateAs
	// Record: a log record is made of the message as well, at once (mapping.events:
	// log or both).
	Record bool

	// Whom it is about, for Forget; empty when the payload does not say. Only an
	// HMAC of each is kept.
	Customer string // customer_id of the platform's metadata
	Caller   string // telephone number of the caller, E.164

	// Display copies for the delivery log: valid UTF-8, at most 256 bytes each.
	Name           string // event.name
	SessionID      string
	LogID          string
	ClientAddress  string
	Endpoint       string // request path
	RequestHeaders []byte // JSON object, credentials redacted
}

// LateAs says what a message becomes that comes after its call was assembled.
type LateAs int

// What late messages become.
const (
	LateSpan   LateAs = iota // a span of its own under the turn
	LateDrop                 // StateDropped; nothing leaves
	LateRecord               // a log record, nothing else
)

// SubjectKind says what a subject is: what is exported as one.
type SubjectKind string

// Kinds of subject.
const (
	SubjectCall         SubjectKind = "call"         // a CDR and its messages
	SubjectConversation SubjectKind = "conversation" // messages that no call owns, one segment
	SubjectLate         SubjectKind = "late"         // one message whose call was already assembled
	SubjectRecord       SubjectKind = "log"          // the log record of one message
)

// Reason names why a subject was assembled. Closed set: it is a metric label.
type Reason string

// Reasons for an assembly.
const (
	ReasonComplete    Reason = "complete"     // every message log the call waits for is there
	ReasonNotExpected Reason = "not_expected" // the source sends no message logs
	ReasonGrace       Reason = "grace"        // correlation.grace is over, some are missing
	ReasonWindow      Reason = "window"       // phone messages whose CDR did not come
	ReasonIdle        Reason = "idle"         // a conversation without a call fell silent
	ReasonLate        Reason = "late"         // a message after its call was assembled, as a span or as a log record
	ReasonSize        Reason = "size"         // a conversation segment is full
	ReasonRecord      Reason = "record"       // a log record is due as soon as its message is there
)

// SegmentSize is the number of messages at which a conversation segment closes.
const SegmentSize = 200

// Token fences a claim: who lost the claim commits nothing.
type Token [16]byte

// Anchor is an exported span that later spans hang from. Its bounds are kept
// because late spans must lie inside it after the bodies are gone (I4).
type Anchor struct {
	TraceID [16]byte
	SpanID  [8]byte
	Start   uint64 // Unix nanoseconds
	End     uint64 // Unix nanoseconds
}

// Subject is a claimed subject, due now.
type Subject struct {
	ID      int64
	Source  string
	Kind    SubjectKind
	Reason  Reason
	DueAt   time.Time
	TraceID [16]byte // of a call; zero for a conversation
	CallID  []byte   // Event.CallID of the call (also of a late message's call)
	Token   Token

	// Owned are the log ids (hashed) this call owns: the first accepted CDR that
	// names a log id owns it.
	Owned []Hash
	// Missing is how many of them have no message in the store.
	Missing int
	// Orphaned are the roots of conversations in which messages of this call
	// left before its CDR came, oldest first.
	Orphaned []Anchor
	// Parent is what a late message hangs from: the invoke_agent span of its
	// turn, or the root (Named is false then) when no turn names it. Of a log
	// record it is that as far as it is known: while its call is open there is a
	// trace id and no span, without a call nothing.
	Parent Anchor
	Named  bool
	// FirstLogID of a log record of which no call is known is the log id of the
	// message that came first in its conversation; "" when that has none, or none
	// that was kept whole.
	FirstLogID string
}

// Member is an event that belongs to a subject.
type Member struct {
	EventID    int64
	Kind       Kind
	ReceivedAt time.Time
	Body       []byte
	Headers    []byte
	// ContentHash of the payload, the last resort of an identity.
	ContentHash Hash
}

// TurnAnchor is where a late message with this log id will hang from.
type TurnAnchor struct {
	LogKey Hash
	Anchor Anchor
}

// Part is one encoded OTLP request of a subject.
type Part struct {
	Signal string // "traces", "logs"
	Body   []byte // encoded Export…ServiceRequest, not compressed
}

// Assembly is what Assemble commits, in one transaction: membership, requests,
// anchors and the reason. From then on the bytes are frozen (I3).
type Assembly struct {
	Subject Subject
	Members []int64 // event ids
	Parts   []Part  // none: every signal is off, the events count as exported at once
	Root    Anchor
	Turns   []TurnAnchor
	Summary *Summary // of a call or conversation, for the list of calls; nil: none
	// Record: messages are not in the parts, only in their log records. A member that
	// has none, because it was accepted when messages were still on spans, gets one.
	Record bool
	// Observed are the observations that went into it: they are deleted.
	Observed []int64
	// DeadReason, when set, makes the members dead letters instead: they could
	// not be mapped. Their bodies are kept. DeadDetail says why in words.
	DeadReason string
	DeadDetail string
}

// ObservedEvent is what a synchronous webhook showed. It is best effort: not in
// the ledger, and nobody waits for it.
type ObservedEvent struct {
	Source     string
	Session    Hash // zero: no turn will ask for it
	ReceivedAt time.Time
	Body       []byte // JSON, kept until its turn is assembled; nil: none
	TraceID    [16]byte
	Record     []byte // encoded ExportLogsServiceRequest, to be sent at once; nil: none
}

// Observation is what a synchronous webhook showed of a session.
type Observation struct {
	ID         int64
	ReceivedAt time.Time
	Body       []byte // JSON
}

// Request is a claimed row of the outbox.
type Request struct {
	ID        int64
	SubjectID int64
	Source    string
	Signal    string
	Part      int
	TraceID   [16]byte
	Body      []byte
	CreatedAt time.Time // when it was assembled
	Attempts  int       // counted attempts so far, see VerdictRetry
	Token     Token
}

// Verdict says what becomes of a request.
type Verdict string

// Verdicts.
const (
	VerdictDone  Verdict = "done"  // the receiver has it
	VerdictHold  Verdict = "hold"  // not sent or the destination's fault: back, no attempt counted
	VerdictRetry Verdict = "retry" // back, one attempt counted
	VerdictSplit Verdict = "split" // replaced by Parts in one transaction
	VerdictDead  Verdict = "dead"  // dead letter with Reason
)

// Settlement is the end of a claim on a request.
type Settlement struct {
	Request Request
	Verdict Verdict
	Parts   [][]byte // VerdictSplit: at least two smaller requests
	Reason  string   // VerdictDead: short, closed set; VerdictRetry and VerdictHold: ""
	Detail  string   // last error in words, at most 512 bytes are kept
	// Aside is how long the request can't be claimed again, so that others come before
	// it. VerdictHold and VerdictRetry; 0: at once. A restart of the process may cut it short.
	Aside time.Duration
}

// Usage is what the store occupies, in bytes.
type Usage struct {
	Used  int64 // live pages and the write-ahead log; with PostgreSQL what is stored, without what vacuuming frees
	Limit int64 // Config.MaxSize, or what SQLite's file system can hold if that is less
}

// Errors of the store that callers branch on.
var (
	// ErrFull: what is pending or dead alone fills the store; nothing was taken.
	ErrFull = errors.New("store is full of pending or dead events")
	// ErrClosed: the store is closing; nothing was taken.
	ErrClosed = errors.New("store is closed")
	// ErrFenced: the claim was lost to another claimant; nothing was committed.
	ErrFenced = errors.New("claim was lost")
	// ErrNotRetryable: the event is no dead letter, or one that no release can
	// map better (a conflict, an unknown event name).
	ErrNotRetryable = errors.New("event is not a dead letter that can be retried")
	// ErrUnavailable: the database can't be reached, or does not let us write, for
	// now. Nothing was committed, unless it is ErrUncertain too.
	ErrUnavailable = errors.New("database is unavailable")
	// ErrUncertain, always with ErrUnavailable: the answer to COMMIT was lost, so whether
	// the write happened is not known.
	ErrUncertain = errors.New("whether it committed is not known")
	// ErrBroken: a commit failed in a way that the store can't be trusted any
	// more; the process must stop and recover on start.
	ErrBroken = errors.New("store can't be trusted after a failed commit")
)
