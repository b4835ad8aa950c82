package sqlscan

import "strings"

// functions has the names of each server's functions, in upper case, with what calling one means.
var mysqlFunctions, mariadbFunctions = newFunctions(functionsOfMySQL), newFunctions(functionsOfMariaDB)

// functionEffects are the effects of the functions that have any, on one server or on both.
var functionEffects = []struct {
	effects Effects
	names   string
}{
	{LastInsertID, `LAST_INSERT_ID`},
	{FoundRows, `FOUND_ROWS ROW_COUNT`},
	{Sequence, `LASTVAL NEXTVAL SETVAL`},
	{LockFunction, `GET_LOCK IS_FREE_LOCK IS_USED_LOCK MASTER_GTID_WAIT MASTER_POS_WAIT RELEASE_ALL_LOCKS RELEASE_LOCK
SOURCE_POS_WAIT WAIT_FOR_EXECUTED_GTID_SET WSREP_SYNC_WAIT_UPTO_GTID`},
	{Volatile, `BINLOG_GTID_POS CONNECTION_ID LOAD_FILE PS_CURRENT_THREAD_ID PS_THREAD_ID RAND RANDOM_BYTES SYS_GUID UUID
UUID_SHORT UUID_V4 UUID_V7 WSREP_LAST_SEEN_GTID WSREP_LAST_WRITTEN_GTID`},
}

func newFunctions(list string) map[string]Effects {
	all := map[string]Effects{}
	for name := range strings.FieldsSeq(functionsOfBoth + list) {
		all[name] = 0
	}
	for _, group := range functionEffects {
		for name := range strings.FieldsSeq(group.names) {
			all[name] = group.effects
		}
	}
	return all
}

// callEffects returns the effects of calling a function by a name that is not qualified.
func callEffects(name string, mode Mode) Effects {
	functions := mysqlFunctions
	if mode&MariaDB != 0 {
		functions = mariadbFunctions
	}
	effects, ok := functions[strings.ToUpper(name)]
	if !ok {
		return StoredFunction
	}
	return effects
}
