package main

import (
	"context"
	"database/sql"
	"fmt"

	_ "github.com/go-sql-driver/mysql"
)

const (
	cheap     = "SELECT name, price, stock FROM products WHERE price < 16 ORDER BY price"
	best      = "SELECT p.name, SUM(i.quantity) AS sold FROM products p JOIN order_items i ON i.product_id = p.id GROUP BY p.name ORDER BY sold DESC, p.name LIMIT 3"
	newOrder  = "INSERT INTO orders (customer_id, placed, state) VALUES (7, '2026-11-20 09:30:00', 'open')"
	newItems  = "INSERT INTO order_items VALUES (LAST_INSERT_ID(), 3, 1), (LAST_INSERT_ID(), 9, 2)"
	itemsOf   = "SELECT p.name, i.quantity, p.price FROM products p JOIN order_items i ON i.product_id = p.id WHERE i.order_id = ?"
	forbidden = "UPDATE products SET stock = 0"
)

// A session is a connection of the application through Weir.
type session struct {
	*sql.Conn
	server string // that Weir gave it
}

// showStatements runs the demo's statements through Weir, and shows what each step of the pipeline saw of them.
func showStatements(ctx context.Context, s settings, log *queryLog) error {
	db, err := sql.Open("mysql", fmt.Sprintf("%s:%s@tcp(%s)/shop", user, password, s.address()))
	if err != nil {
		return err
	}
	defer db.Close()

	say("\nA statement's way: app -> listener -> filter querylog -> router connection -> server, and its reply's way back.")
	say("querylog writes a line per command; first_us and last_us are microseconds to the reply's first and last byte.\n")
	show := &show{log: log}
	sessions, err := connect(ctx, db, show, s.roles)
	defer func() { // so that db closes them
		for _, s := range sessions {
			s.Close()
		}
	}()
	if err != nil {
		return err
	}
	for _, st := range statements(sessions) {
		if err := show.run(ctx, st); err != nil {
			return err
		}
	}
	return nil
}

// connect opens a session per server and returns them by the server's name, with an error those there are.
func connect(ctx context.Context, db *sql.DB, show *show, roles []role) (map[string]*session, error) {
	sessions := make(map[string]*session)
	for i := range roles {
		conn, err := db.Conn(ctx)
		if err != nil {
			return sessions, fmt.Errorf("connect through Weir: %w", err)
		}
		s := &session{Conn: conn}
		why := fmt.Sprintf("Connection %d of %d, all kept open: which server did it get?", i+1, len(roles))
		if err := show.run(ctx, statement{why: why, on: s, text: "SELECT @@hostname, @@port, @@read_only", do: identify}); err != nil {
			return sessions, err
		}
		sessions[s.server] = s
	}
	for _, r := range roles {
		if sessions[r.name] == nil {
			return sessions, fmt.Errorf("none of %d connections was given to %s", len(roles), r.name)
		}
	}
	return sessions, nil
}

func statements(sessions map[string]*session) []statement {
	primary, replica1, replica2 := sessions["primary"], sessions["replica1"], sessions["replica2"]
	return []statement{
		{why: "A few rows.", on: replica1, text: cheap, do: query},
		{why: "A join.", on: replica2, text: best, do: query},
		{why: "A transaction begins.", on: primary, text: "START TRANSACTION", do: execute},
		{why: "It adds an order,", on: primary, text: newOrder, do: execute},
		{why: "and what was ordered.", on: primary, text: newItems, do: execute},
		{why: "It ends.", on: primary, text: "COMMIT", do: execute},
		{
			why: "A prepared statement, executed for two orders: the new one has reached the replica.", on: replica2,
			text: itemsOf, commands: []string{"COM_STMT_PREPARE", "COM_STMT_EXECUTE", "COM_STMT_EXECUTE", "COM_STMT_CLOSE"},
			do: prepared(orders+1, 8),
		},
		{why: "An error, on purpose: a replica refuses to write.", on: replica1, text: forbidden, do: execute, wantError: 1290},
	}
}
