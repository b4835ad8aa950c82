package integration

import (
	"bytes"
	"crypto/md5"
	"database/sql"
	"encoding/hex"
	"testing"

	"github.com/weirproxy/weir/integration/process"
	"github.com/weirproxy/weir/integration/proxy"
)

// What passes through Weir is not held there.
func TestLargeInBoundedMemory(t *testing.T) {
	const most = 100 << 20
	s := require(t, sharedMariaDB)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *sql.Conn)
	}{
		{"rows of 17 MB", largeRows},
		{"ten million rows", manyRows},
		{"insert of 64 MiB", largeInsert},
		{"a client that stops reading", stopsReading},
	} {
		t.Run(c.name, func(t *testing.T) {
			weir := startWeir(t, proxy.Config{Servers: []string{s.Addr}})
			c.run(t, session(t, weir.Addr, "maxAllowedPacket=1073741824"))
			peak, err := process.Memory(weir.PID(), "VmHWM")
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("weir's memory peaked at %d KiB", peak>>10)
			if peak >= most {
				t.Errorf("weir's memory peaked at %d MiB, want less than %d", peak>>20, most>>20)
			}
		})
	}
}

const (
	rowSize  = 17_000_000
	rowCount = 64 // more than a GiB together
	gigabyte = "SELECT REPEAT('x', 17000000) FROM seq_1_to_64"
)

func largeRows(t *testing.T, conn *sql.Conn) {
	t.Helper()
	readLargeRows(t, query(t, conn, gigabyte))
}

func readLargeRows(t *testing.T, rows *sql.Rows) {
	t.Helper()
	want, n := bytes.Repeat([]byte{'x'}, rowSize), 0
	for ; rows.Next(); n++ {
		var value sql.RawBytes
		if err := rows.Scan(&value); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(value, want) {
			t.Fatalf("row %d has %d bytes, and not those asked for", n, len(value))
		}
	}
	if err := rows.Err(); err != nil || n != rowCount {
		t.Fatalf("%d rows, %v; want %d", n, err, rowCount)
	}
}

func manyRows(t *testing.T, conn *sql.Conn) {
	t.Helper()
	const count = 10_000_000
	rows := query(t, conn, "SELECT seq FROM seq_1_to_10000000")
	n, sum := 0, 0
	for ; rows.Next(); n++ {
		var value sql.RawBytes
		if err := rows.Scan(&value); err != nil {
			t.Fatal(err)
		}
		number := 0
		for _, digit := range value {
			number = 10*number + int(digit-'0')
		}
		sum += number
	}
	if err := rows.Err(); err != nil || n != count || sum != count*(count+1)/2 {
		t.Fatalf("%d rows of sum %d, %v", n, sum, err)
	}
}

func largeInsert(t *testing.T, conn *sql.Conn) {
	t.Helper()
	value := bytes.Repeat([]byte("0123456789abcdef"), 64<<20/16)
	sum := md5.Sum(value)
	execute(t, conn, "CREATE OR REPLACE TABLE large_insert (v LONGBLOB)")
	// Once as text, once prepared.
	execute(t, conn, "INSERT INTO large_insert VALUES ('"+string(value)+"')")
	execute(t, conn, "INSERT INTO large_insert VALUES (?)", value)
	for rows := query(t, conn, "SELECT MD5(v) FROM large_insert"); rows.Next(); {
		var got string
		if err := rows.Scan(&got); err != nil || got != hex.EncodeToString(sum[:]) {
			t.Fatalf("the server has MD5 %s, %v; want %x", got, err, sum)
		}
	}
	execute(t, conn, "DROP TABLE large_insert")
}

// stopsReading lets the server wait, and all of the result is still there afterwards.
func stopsReading(t *testing.T, conn *sql.Conn) {
	t.Helper()
	rows := query(t, conn, gigabyte+" /* stops reading */")
	direct := session(t, require(t, sharedMariaDB).Addr, "")
	eventually(t, "the server waits for its client", func() bool {
		return count(t, direct, "SELECT COUNT(*) FROM information_schema.processlist "+
			"WHERE info LIKE '%/* stops reading */' AND state = 'Writing to net' AND time_ms > 1000") == 1
	})
	readLargeRows(t, rows)
}
