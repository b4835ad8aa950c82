package replication

import "testing"

// TestUnmatchedSource: a server that replicates from what cannot be told to be one of the servers is not made the primary.
func TestUnmatchedSource(t *testing.T) {
	for name, scenes := range map[string][]scene{
		"the primary comes back under another id": {`
			db1 rw      : primary
			db2 rw <db1 : replica of db1`, `
			db1 down               : none unreachable
			db2 rw <db1/connecting : replica of db1 replication_broken`, `
			db1 down               : none unreachable
			db2 rw <far/connecting : replica not_following`},
		"the primary is down from the start, and known by another name": {`
			db1 down               : none unreachable
			db2 rw <far/connecting : replica replication_broken
			db3 rw <far/connecting : replica replication_broken`, `
			db1 rw      : primary
			db2 rw <db1 : replica of db1
			db3 rw <db1 : replica of db1`},
		"the last primary follows another one": {`
			db1 rw      : primary
			db2 down    : none unreachable`, `
			db1 ro <db2 : replica of db2
			db2 rw      : primary`},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, scenes, 1)
		})
	}
}

// TestLingers: that replication has stopped is believed when a server has said so several times in a row.
func TestLingers(t *testing.T) {
	const (
		fine    = "db1 rw : primary \n db2 ro <db1 : replica of db1"
		lingers = "db1 rw : primary \n db2 ro <db1/stopped : replica of db1 replication_stopped"
		lost    = "db1 rw : primary \n db2 ro <db1/stopped : none of db1 replication_stopped"
	)
	for name, scenes := range map[string][]scene{
		"stopped":          {fine, lingers, lingers, lost, lost, fine, lingers},
		"again and again":  {fine, lingers, lingers, fine, lingers, lingers, fine},
		"never replicated": {lost, lost},
		"broken": {
			fine, "db1 rw : primary \n db2 ro <db1/applying : replica of db1 replication_broken", lingers, lost,
		},
		"down":     {fine, lingers, "db1 rw : primary \n db2 down : none unreachable", lost},
		"promoted": {fine, "db1 down : none unreachable \n db2 rw <db1/stopped : primary"},
		"another":  {fine, "db1 rw : primary \n db2 ro <far : none not_following"},
	} {
		t.Run(name, func(t *testing.T) { play(t, scenes, 3) })
	}
}

// TestSourceUnderAnotherID: what a replica met last says nothing of whom it will meet next.
func TestSourceUnderAnotherID(t *testing.T) {
	servers, _ := topologyOf(t, "db1 rw : \n db2 rw <db1/connecting : \n db3 rw :", nil)
	servers[0].Answer.id = "11"
	if to := newTopology(servers).sources[1][0]; to != 0 {
		t.Errorf("another id: source %d", to)
	}
	servers, _ = topologyOf(t, "db1 rw : \n db2 rw <db1 : \n db3 rw :", nil)
	servers[2].Answer.id = "1"
	if to := newTopology(servers).sources[1][0]; to != 0 {
		t.Errorf("two of one id: source %d", to)
	}
}

// TestBelowABrokenRelay: how far a replica is behind the primary is not known where that is not known of its source.
func TestBelowABrokenRelay(t *testing.T) {
	servers, _ := topologyOf(t, "db1 rw : \n db2 ro <db1/applying : \n db3 ro <db2 :", nil)
	d := newReign(len(servers), 1).decide(newTopology(servers))
	if v := d.verdicts[2]; v.lag >= 0 {
		t.Errorf("db3 is said to be %v behind (%q), and db2 applies nothing", v.lag, v.reason)
	}
}
