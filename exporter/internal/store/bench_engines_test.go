package store_test

import (
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cdr2otel/exporter/internal/store"
)

// benchName is that of the connections of a benchmark.
var benchName = fmt.Sprint("bench-", os.Getpid())

// BenchmarkEngines accepts the same on SQLite, on PostgreSQL with one process, and on
// PostgreSQL with two. It needs CDR2OTEL_TEST_POSTGRES_URL. Where the server is on this
// machine, two replicas share their processors with it: what they gain is seen where
// they don't.
func BenchmarkEngines(b *testing.B) {
	var ofSQLite, ofOne float64
	b.Run("sqlite", func(b *testing.B) { ofSQLite = benchEngine(b, nil, benchStore(b)) })
	for _, n := range []int{1, 2} {
		b.Run(fmt.Sprintf("postgresql, %d", n), func(b *testing.B) {
			at, db := store.NewTestSchema(b)
			at += "&application_name=" + benchName
			stores := make([]*store.Store, n)
			for i := range stores {
				s, err := store.Open(b.Context(), store.Config{URL: at, Retention: time.Hour, DeadLetterRetention: time.Hour})
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { s.Close() })
				stores[i] = s
			}
			rate := benchEngine(b, db, stores...)
			b.ReportMetric(rate/ofSQLite, "x-of-sqlite")
			if n == 1 {
				ofOne = rate
			} else {
				b.ReportMetric(rate/ofOne, "x-of-one")
			}
		})
	}
}

// benchEngine tells how many events a second were accepted, and reports for how many a
// second of a processor is enough: of this process, and of the server's where it is on
// this machine. What the server does beside its connections is not counted.
func benchEngine(b *testing.B, db *sql.DB, stores ...*store.Store) float64 {
	body := benchBody(b)
	var n atomic.Int64
	b.SetParallelism(callers / 2)
	own, servers := ownTime(b), serverTime(b, db)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			if _, err := stores[i%int64(len(stores))].Accept(b.Context(), benchMessage(fmt.Sprint("call ", i/10), int(i%10), body)); err != nil {
				b.Error(err)
			}
		}
	})
	b.StopTimer()
	own, servers = ownTime(b)-own, serverTime(b, db)-servers
	b.ReportMetric(float64(b.N)/own.Seconds(), "events/cpu-s")
	if servers > 0 {
		b.ReportMetric(float64(b.N)/servers.Seconds(), "events/db-cpu-s")
	}
	rate := float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "events/s")
	return rate
}

// ownTime is what this process had of the processors.
func ownTime(b *testing.B) time.Duration {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// serverTime is what the server's processes of the stores' connections had; 0 where
// they are not to be seen.
func serverTime(b *testing.B, db *sql.DB) (total time.Duration) {
	b.Helper()
	if db == nil {
		return 0
	}
	rows, err := db.Query(`SELECT pid FROM pg_stat_activity WHERE application_name = $1`, benchName)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var pid int
		if err := rows.Scan(&pid); err != nil {
			b.Fatal(err)
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, after, found := strings.Cut(string(stat), "(postgres) ")
		if err != nil || !found {
			return 0
		}
		fields := strings.Fields(after)
		const tick = 10 * time.Millisecond // of the fields utime and stime, see proc(5)
		for _, field := range fields[11:13] {
			n, err := strconv.Atoi(field)
			if err != nil {
				b.Fatal(err)
			}
			total += time.Duration(n) * tick
		}
	}
	return total
}
