package readwritesplit

import (
	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// over is the decision d as the hint has it.
//
// Hints are obeyed where nothing can be torn apart by them: not within transactions, not while the primary holds what
// the session needs, and not for what changes the session. They may send to a replica what Weir would not, as calls of
// functions that only read; a statement that is sure to write, or that nothing is known of, goes to a server only where
// the hint has its name: which one would otherwise be chance.
func (h hint) over(d decision, st *pipeline.Statement, effects sqlscan.Effects, sit *situation) decision {
	if h.maxLag > 0 { // wherever a replica is chosen
		if d.target == toReplica {
			d.maxLag = h.maxLag
		}
		return d
	}
	if sit.open || sit.manual || sit.bonds != 0 || d.target == toAll || !h.fits(st, effects) {
		return d
	}
	if h.target != toPrimary && sit.primaryHas(st, effects) {
		return d
	}
	if st.Class == sqlscan.Begin && (d.target != toReplica || d.marks&marksOptimistic != 0 && h.target != toPrimary) {
		return d
	}
	over := decision{target: h.target, server: h.server, why: "a hint says so"}
	if h.target == toPrimary {
		over.marks = d.marks
	} else {
		over.marks = variableMarks(st, effects, marksVariablesLast)
	}
	return over
}

// primaryHas reports whether a statement may need what the primary alone has of the session, bonds aside.
func (sit *situation) primaryHas(st *pipeline.Statement, effects sqlscan.Effects) bool {
	if effects&sqlscan.UserVariable != 0 && sit.variables == variablesPrimary {
		return true
	}
	return (sit.temporary.any() || sit.autoNull) && st.Class != sqlscan.Set
}

// fits reports whether a statement may go where the hint says.
func (h hint) fits(st *pipeline.Statement, effects sqlscan.Effects) bool {
	switch st.Class {
	case sqlscan.Read, sqlscan.Show:
		if effects&(sqlscan.LockFunction|sqlscan.Sequence) != 0 {
			return h.target == toPrimary || h.target == toServer && effects&sqlscan.LockFunction == 0
		}
		return true
	case sqlscan.Call:
		return true
	case sqlscan.Begin:
		return h.target != toLast
	case sqlscan.Set:
		return h.target == toServer && effects&sqlscan.Global != 0
	case sqlscan.Write, sqlscan.Schema, sqlscan.Admin, sqlscan.Kill, sqlscan.Unknown:
		return h.target == toPrimary || h.target == toServer && effects&sqlscan.Temporary == 0
	case sqlscan.Commit, sqlscan.Rollback, sqlscan.Savepoint, sqlscan.XA, sqlscan.Use, sqlscan.Prepare,
		sqlscan.Execute, sqlscan.Deallocate, sqlscan.Lock, sqlscan.Unlock, sqlscan.Handler, sqlscan.Compound, sqlscan.Many:
	}
	return h.target == toPrimary
}
