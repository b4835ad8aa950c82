package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
)

// query runs a statement that returns rows.
func query(ctx context.Context, on *session, text string) (string, error) {
	rows, err := on.QueryContext(ctx, text)
	if err != nil {
		return "", err
	}
	return table(rows)
}

// execute runs a statement that returns none.
func execute(ctx context.Context, on *session, text string) (string, error) {
	result, err := on.ExecContext(ctx, text)
	if err != nil {
		return "", err
	}
	affected, err := result.RowsAffected()
	if err != nil {
		return "", err
	}
	id, err := result.LastInsertId()
	if err != nil || id == 0 {
		return fmt.Sprintf("OK, %d rows affected", affected), err
	}
	return fmt.Sprintf("OK, %d rows affected, id %d", affected, id), nil
}

// prepared makes a function that prepares a statement and executes it once per argument.
func prepared(arguments ...any) func(context.Context, *session, string) (string, error) {
	return func(ctx context.Context, on *session, text string) (got string, err error) {
		st, err := on.PrepareContext(ctx, text)
		if err != nil {
			return "", err
		}
		defer func() { err = errors.Join(err, st.Close()) }()
		var all []string
		for _, argument := range arguments {
			rows, err := st.QueryContext(ctx, argument)
			if err != nil {
				return "", err
			}
			one, err := table(rows)
			if err != nil {
				return "", err
			}
			all = append(all, fmt.Sprintf("for %v:\n%s", argument, one))
		}
		return strings.Join(all, "\n"), nil
	}
}

// identify runs a query for the server's name, port and whether it is read-only, and notes the session's server.
func identify(ctx context.Context, on *session, text string) (string, error) {
	var port, readOnly int
	if err := on.QueryRowContext(ctx, text).Scan(&on.server, &port, &readOnly); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, %d, %d", on.server, port, readOnly), nil
}

// table reads rows to their end and lays them out as text.
func table(rows *sql.Rows) (string, error) {
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return "", err
	}
	var out strings.Builder
	columns := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, strings.Join(names, "\t"))
	values := make([]sql.NullString, len(names))
	into := make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	n := 0
	for ; rows.Next(); n++ {
		if err := rows.Scan(into...); err != nil {
			return "", err
		}
		row := make([]string, len(values))
		for i, v := range values {
			if row[i] = v.String; !v.Valid {
				row[i] = "NULL"
			}
		}
		fmt.Fprintln(columns, strings.Join(row, "\t"))
	}
	if err := rows.Err(); err != nil {
		return "", err
	}
	columns.Flush()
	return fmt.Sprintf("%s(%d rows)", out.String(), n), nil
}
