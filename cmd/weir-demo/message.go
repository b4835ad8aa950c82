package main

import (
	"context"

	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
)

// withoutMessage leaves the message out of the OK packets of a handler ("Rows matched: 1 ..."): the engine gives
// all messages the same length, and clients that look at it call the packet malformed.
type withoutMessage struct{ mysql.Handler }

func leaveMessageOut(h mysql.Handler) (mysql.Handler, error) { return withoutMessage{h}, nil }

func (h withoutMessage) ComQuery(ctx context.Context, c *mysql.Conn, text string, reply mysql.ResultSpoolFn) error {
	return h.Handler.ComQuery(ctx, c, text, dropInfo(reply))
}

func (h withoutMessage) ComMultiQuery(ctx context.Context, c *mysql.Conn, text string, reply mysql.ResultSpoolFn) (string, error) {
	return h.Handler.ComMultiQuery(ctx, c, text, dropInfo(reply))
}

func dropInfo(reply mysql.ResultSpoolFn) mysql.ResultSpoolFn {
	return func(r *sqltypes.Result, more bool) error {
		r.Info = ""
		return reply(r, more)
	}
}
