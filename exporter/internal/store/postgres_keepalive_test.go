package store

import (
	"fmt"
	"net"
	"testing"

	"cdr2otel/internal/postgrestest"
)

// Whichever session holds a lock: the server asks whether its machine is there. Over
// a socket of the file system there is nothing to ask, so this one is over TCP.
func TestTheServerProbesTheMachinesOfAllSessions(t *testing.T) {
	postgrestest.Need(t)
	t.Parallel()
	at := OwnAddress(t)
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		t.Fatal(err)
	}
	postgrestest.Start(t, "listen_addresses="+host, "port="+port)
	s := openReplica(t, "postgres://postgres@"+at+"/postgres?sslmode=disable")
	const query = `SELECT concat_ws(' ', current_setting('tcp_keepalives_idle'), current_setting('tcp_keepalives_interval'), current_setting('tcp_keepalives_count'),
		current_setting('tcp_user_timeout'))`
	var ofReader, ofWriter, ofListener string
	if err := s.reader.QueryRowContext(t.Context(), query).Scan(&ofReader); err != nil {
		t.Fatal(err)
	}
	err = s.writer.write(t.Context(), &op{stage: stageOther, run: func(t *tx) error {
		_, err := t.one(query, nil, &ofWriter)
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := s.engine.(*postgres).notes.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(listener)
	if err := listener.QueryRow(t.Context(), query).Scan(&ofListener); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%.0f %.0f %d %d", keepIdle.Seconds(), keepInterval.Seconds(), keepCount, unanswered.Milliseconds())
	for session, probes := range map[string]string{"reader": ofReader, "writer": ofWriter, "listener": ofListener} {
		if probes != want {
			t.Errorf("of a %s: %s, want %s", session, probes, want)
		}
	}
}
