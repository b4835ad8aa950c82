package readwritesplit

import "strings"

// lockBond is what a locking statement binds by.
func lockBond(canonical string) bonds {
	switch {
	case strings.HasPrefix(canonical, "LOCK INSTANCE"):
		return boundInstance
	case strings.HasPrefix(canonical, "LOCK"):
		return boundTables
	case strings.HasPrefix(canonical, "BACKUP"):
		return boundBackup
	}
	return boundFlush
}

// unlockBonds are the bonds that an unlocking statement frees of.
func unlockBonds(canonical string) bonds {
	switch {
	case strings.HasPrefix(canonical, "UNLOCK INSTANCE"):
		return boundInstance
	case strings.HasPrefix(canonical, "UNLOCK"):
		return boundTables | boundFlush
	}
	return boundBackup
}

// oneCall reports whether a statement is a SELECT that calls one function, once.
func oneCall(canonical string) bool {
	const verb = "SELECT "
	name, arguments, _ := strings.Cut(canonical, "(")
	return strings.HasPrefix(name, verb) && !strings.ContainsAny(name[len(verb):], " ,") && !strings.ContainsAny(arguments, "(") &&
		!strings.Contains(arguments, " FROM ")
}

func (sit *situation) learnHandlers(canonical string) {
	switch {
	case strings.Contains(canonical, " OPEN"):
		sit.handlers++
	case strings.Contains(canonical, " CLOSE"):
		sit.handlers--
	}
	sit.bonds &^= boundHandlers
	if sit.handlers > 0 {
		sit.bonds |= boundHandlers
	}
}

// endlessLocks is more locks than a session releases one by one.
const endlessLocks = 1 << 30

// learnLocks counts locks by name. One that was not got is counted too: who tries and fails stays with the primary until
// it has released as many, or all. One is taken for released only where the server says so.
func (sit *situation) learnLocks(canonical string) {
	switch {
	case containsFold(canonical, "release_all_locks"):
		sit.locks = 0
	case containsFold(canonical, "get_lock"):
		if sit.locks++; !oneCall(canonical) {
			sit.locks = endlessLocks
		}
	case containsFold(canonical, "release_lock") && sit.granted && oneCall(canonical) && sit.locks > 0 && sit.locks < endlessLocks:
		sit.locks--
	}
	sit.bonds &^= boundLocks
	if sit.locks > 0 {
		sit.bonds |= boundLocks
	}
}
