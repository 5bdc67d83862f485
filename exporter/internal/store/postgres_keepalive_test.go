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
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close() // nobody else is given a port that was just listened at
	postgrestest.Start(t, "listen_addresses=127.0.0.1", fmt.Sprint("port=", port))
	s := openReplica(t, fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port))
	const query = `SELECT concat_ws(' ', current_setting('tcp_keepalives_idle'), current_setting('tcp_keepalives_interval'), current_setting('tcp_keepalives_count'))`
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
	want := fmt.Sprintf("%.0f %.0f %d", keepIdle.Seconds(), keepInterval.Seconds(), keepCount)
	for session, probes := range map[string]string{"reader": ofReader, "writer": ofWriter, "listener": ofListener} {
		if probes != want {
			t.Errorf("of a %s: %s, want %s", session, probes, want)
		}
	}
}
