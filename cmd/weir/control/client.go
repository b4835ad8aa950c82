package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/weirproxy/weir/pipeline"
)

// askTimeout bounds one question: a process that does not answer is stopped, or stuck.
const askTimeout = 10 * time.Second

// A Client speaks to the process that listens on a control socket.
type Client struct {
	socket string
	http   http.Client
}

// NewClient makes a client for the socket at a path.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &Client{socket: socket, http: http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: askTimeout,
	}}
}

// Servers asks for the states of all servers.
func (c *Client) Servers(ctx context.Context) (list List, err error) {
	return list, c.ask(ctx, http.MethodGet, "/v1/servers", nil, &list)
}

// SetService sets how far a server is used. Where from is not empty, it must have been that.
func (c *Client) SetService(ctx context.Context, server string, to pipeline.Service, from string) (change Change, err error) {
	body, err := json.Marshal(map[string]string{"service": to.String(), "from": from})
	if err != nil {
		return change, err
	}
	return change, c.ask(ctx, http.MethodPut, "/v1/servers/"+url.PathEscape(server)+"/service", body, &change)
}

// ResetGTID has a pipeline's router forget the GTIDs that reads wait for.
func (c *Client) ResetGTID(ctx context.Context, pipeline string) error {
	var done Reset
	return c.ask(ctx, http.MethodPost, "/v1/pipelines/"+url.PathEscape(pipeline)+"/reset-gtid", nil, &done)
}

func (c *Client) ask(ctx context.Context, method, path string, body []byte, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://weir"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.explain(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s: the answer broke off: %w", c.socket, err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		var f failure
		if json.Unmarshal(text, &f) != nil || f.Error == "" {
			return fmt.Errorf("%s: %s: is this the control socket of a weir?", c.socket, response.Status)
		}
		return errors.New(f.Error)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: the answer cannot be read: %w: is this the control socket of a weir?", c.socket, err)
	}
	return nil
}

// explain says what an error of connecting means, and what can be done.
func (c *Client) explain(err error) error {
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: no such socket. Is weir running, and does its file have a control block? "+
			"If its socket is elsewhere, say so by --socket, --config or WEIR_SOCKET", c.socket)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s: nobody listens on this socket. The weir that made it has ended", c.socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: permission denied. The control block's socket_mode says who may use the socket: "+
			"by default only the user that weir runs as", c.socket)
	case isNet && timeout.Timeout():
		return fmt.Errorf("%s: no answer within %v", c.socket, askTimeout)
	}
	if one, ok := errors.AsType[*url.Error](err); ok {
		err = one.Err // without the made-up address
	}
	return fmt.Errorf("%s: %w", c.socket, err)
}
