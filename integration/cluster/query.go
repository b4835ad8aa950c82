package cluster

import (
	"database/sql"
	"fmt"
)

// text returns the one value of a query by the administrator.
func (s *Server) text(query string, args ...any) (string, error) {
	ctx, cancel := timeout()
	defer cancel()
	var v sql.NullString
	if err := s.admin.QueryRowContext(ctx, query, args...).Scan(&v); err != nil {
		return "", fmt.Errorf("%s: %s: %w", s.Name, query, err)
	}
	return v.String, nil
}

// row returns the first row of a query by the administrator, empty where there is none.
func (s *Server) row(query string) (map[string]string, error) {
	rows, err := s.rows(query)
	if len(rows) == 0 {
		return map[string]string{}, err
	}
	return rows[0], err
}

// rows returns the rows of a query by the administrator, by the names of their columns.
func (s *Server) rows(query string) (all []map[string]string, err error) {
	ctx, cancel := timeout()
	defer cancel()
	rows, err := s.admin.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", s.Name, query, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, into := make([][]byte, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return all, err
		}
		row := make(map[string]string, len(names))
		for i, name := range names {
			row[name] = string(values[i])
		}
		all = append(all, row)
	}
	return all, rows.Err()
}
