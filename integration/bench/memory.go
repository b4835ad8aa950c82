package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weirproxy/weir/integration/process"
)

// settle is how long a proxy with idle sessions is left alone, so that it can give memory back.
const settle = 15 * time.Second

// memory is the resident memory of one proxy, in bytes.
type memory struct {
	Peer       string `json:"peer"`
	Sessions   int    `json:"sessions"`
	Before     int64  `json:"before"`
	With       int64  `json:"with"`    // as soon as all sessions are there
	Settled    int64  `json:"settled"` // a while later
	PerSession int64  `json:"per_session"`
	Error      string `json:"error,omitempty"`
}

// measureMemory opens sessions, each of which runs a statement and stays. A process of ours is a fresh one, warmed
// by a few sessions, so that what other workloads left behind is not counted.
func measureMemory(ctx context.Context, p *peer, sessions int) (memory, error) {
	m := memory{Peer: p.name, Sessions: sessions}
	p.stop()
	if err := p.ready(); err != nil {
		return m, err
	}
	const warm = 64
	if err := withSessions(ctx, p, warm, func() error { return nil }); err != nil {
		return m, err
	}
	var err error
	if m.Before, err = process.Memory(p.pid, "VmRSS"); err != nil {
		return m, err
	}
	err = withSessions(ctx, p, sessions, func() error {
		var err error
		if m.With, err = process.Memory(p.pid, "VmRSS"); err != nil {
			return err
		}
		select {
		case <-time.After(settle):
		case <-ctx.Done():
			return ctx.Err()
		}
		m.Settled, err = process.Memory(p.pid, "VmRSS")
		m.PerSession = (m.Settled - m.Before) / int64(sessions)
		return err
	})
	return m, err
}

// withSessions calls f while there are so many sessions.
func withSessions(ctx context.Context, p *peer, sessions int, f func() error) (err error) {
	connector, err := newConnector(p.addr)
	if err != nil {
		return err
	}
	conns := make([]driver.Conn, sessions)
	defer func() {
		for _, c := range conns {
			if c != nil {
				err = errors.Join(err, c.Close())
			}
		}
	}()
	const atOnce = 16
	var group sync.WaitGroup
	errs := make([]error, atOnce)
	for worker := range atOnce {
		group.Go(func() {
			for i := worker; i < sessions; i += atOnce {
				if conns[i], errs[worker] = login(ctx, connector); errs[worker] != nil {
					errs[worker] = fmt.Errorf("session %d: %w", i+1, errs[worker])
					conns[i] = nil
					return
				}
			}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return f()
}
