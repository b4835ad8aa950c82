package bank_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/integration/bank"
	"github.com/weirproxy/weir/integration/server"
)

// TestBank runs the workload directly, where nothing is wrong, and through proxies of which each has one fault, which it
// must find.
func TestBank(t *testing.T) {
	tmpl, err := server.MariaDB()
	ok(t, err)
	t.Cleanup(func() { ok(t, tmpl.Remove()) })
	s, err := tmpl.Start()
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Stop()) })
	for _, test := range []struct {
		name  string
		fault fault
		found string // in the violations; empty: there must be none
	}{
		{"no fault", fault{}, ""},
		{"loses connections", fault{cut: "COMMIT"}, ""},
		{"acknowledges what it loses", fault{from: "COMMIT", to: "ROLLBACK"}, "was acknowledged, and is lost"},
		{"commits what has failed", fault{from: "INSERT", to: "BROKEN INSERT", also: [2]string{"ROLLBACK", "COMMIT"}}, "by the journal"},
		{"sends a statement twice", fault{twice: "INSERT"}, "is there 2 times"},
		{"sends an update twice", fault{twice: "UPDATE"}, "by the journal"},
		{"splits transactions", fault{from: "BEGIN", to: "DO 1"}, "was not in a transaction"},
		{"splits snapshots", fault{from: "START TRANSACTION READ ONLY", to: "DO 1"}, "START TRANSACTION READ ONLY (prepared"},
	} {
		t.Run(test.name, func(t *testing.T) {
			db, err := sql.Open("mysql", server.DSN(s.Addr, ""))
			ok(t, err)
			defer db.Close()
			b, err := bank.Open(t.Context(), db, 20)
			ok(t, err)
			run(t, b, startFaulty(t, s.Addr, test.fault))
			ok(t, b.Verify(t.Context(), "the server", db))
			r := b.Report()
			if test.fault.cut != "" && (len(r.Maybes) == 0 || r.Done == 0) {
				t.Error("nobody lost a connection in COMMIT")
			}
			all := strings.Join(r.Violations, "\n")
			if (all != "") != (test.found != "") || !strings.Contains(all, test.found) {
				t.Errorf("the violations are not %q:\n%v", test.found, r)
			}
			t.Log(r)
		})
	}
}

// run runs the workload until it has done enough to meet a fault often.
func run(t *testing.T, b *bank.Bank, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx, addr, 4, 2) }()
	enough := time.NewTicker(10 * time.Millisecond)
	defer enough.Stop()
	for ctx.Err() == nil {
		<-enough.C
		if r := b.Report(); r.Reads >= 2000 && r.Transfers >= 1000 {
			cancel()
		}
	}
	ok(t, <-ended)
	if r := b.Report(); r.Reads < 2000 || r.Transfers < 1000 {
		t.Errorf("not much was done: %v", r)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
