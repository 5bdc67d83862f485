package doctor_test

import (
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"cdr2otel/exporter/doctor"
	"cdr2otel/internal/schematest"
)

func TestAPoolerOfTransactionsIsSeen(t *testing.T) {
	t.Parallel()
	at, _ := schematest.New(t)
	f := onDatabase(t, "postgres://u@"+pooler(t, at)+"/x?sslmode=disable").examine(nil)
	f.want("store", doctor.Fail, "a pooler in between gives each transaction another session", "pool_mode = session")
	f.none("store", doctor.OK)
}

// pooler gives the one session that it has with a server to whichever of its clients
// begins a transaction, as PgBouncer does with pool_mode = transaction.
func pooler(t *testing.T, at string) (address string) {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	server, err := conn.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var session sync.Mutex
	var clients sync.WaitGroup
	clients.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			clients.Go(func() {
				defer client.Close()
				if err := pool(client, server, &session); err != nil {
					t.Errorf("pooler: %v", err)
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		clients.Wait()
		server.Frontend.Send(&pgproto3.Terminate{})
		if err := errors.Join(server.Frontend.Flush(), server.Conn.Close()); err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// pool serves one client until it ends.
func pool(conn net.Conn, server *pgconn.HijackedConn, session *sync.Mutex) error {
	client := pgproto3.NewBackend(conn, conn)
	if _, err := client.ReceiveStartupMessage(); err != nil {
		return err
	}
	client.Send(&pgproto3.AuthenticationOk{})
	for name, value := range server.ParameterStatuses {
		client.Send(&pgproto3.ParameterStatus{Name: name, Value: value})
	}
	client.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	if err := client.Flush(); err != nil {
		return err
	}
	for held := false; ; {
		message, err := client.Receive()
		if err != nil {
			return err
		}
		if _, ends := message.(*pgproto3.Terminate); ends {
			return nil
		}
		if !held {
			session.Lock()
		}
		status, err := relay(client, server.Frontend, message)
		if held = status != 'I'; !held {
			session.Unlock()
		}
		if err != nil {
			return err
		}
	}
}

// relay passes a question on and its answers back, and tells whether a transaction is
// open then.
func relay(client *pgproto3.Backend, server *pgproto3.Frontend, question pgproto3.FrontendMessage) (status byte, err error) {
	server.Send(question)
	if err := server.Flush(); err != nil {
		return 'I', err
	}
	for {
		answer, err := server.Receive()
		if err != nil {
			return 'I', err
		}
		client.Send(answer)
		if ready, ends := answer.(*pgproto3.ReadyForQuery); ends {
			return ready.TxStatus, client.Flush()
		}
	}
}
