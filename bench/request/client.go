package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// client speaks HTTP/1.1 to one server. It is plainer than net/http's: a request is
// written and its answer read by the goroutine that waits for it. On a machine that
// the shop has to share with its visitors, what they take is what it lacks.
type client struct {
	addr      string
	keepAlive bool

	mu   sync.Mutex
	idle []*conn
}

type conn struct {
	net.Conn
	in *bufio.Reader
}

// answerWithin bounds how long a request is waited for; then it has failed.
const answerWithin = 30 * time.Second

// answer is what a visitor needs to know of a response.
type answer struct {
	status   int
	location string
	cookies  []*http.Cookie
}

// send sends a request, a whole HTTP message, and reads the answer.
func (c *client) send(ctx context.Context, message []byte) (a answer, err error) {
	k, err := c.take(ctx)
	if err != nil {
		return a, err
	}
	a, err = k.exchange(message)
	if err != nil || !c.keepAlive {
		//lint:ignore errcheck the answer is there, or its error says more
		_ = k.Close()
		return a, err
	}
	c.give(k)
	return a, nil
}

// take returns the connection that was used last, or a new one.
func (c *client) take(ctx context.Context) (*conn, error) {
	c.mu.Lock()
	if n := len(c.idle); n > 0 {
		k := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		return k, nil
	}
	c.mu.Unlock()
	dialer := net.Dialer{Timeout: answerWithin}
	k, err := dialer.DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return nil, err
	}
	return &conn{k, bufio.NewReader(k)}, nil
}

func (c *client) give(k *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = append(c.idle, k)
}

// close ends the connections that are idle.
func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.idle {
		//lint:ignore errcheck nothing is on its way
		_ = k.Close()
	}
	c.idle = nil
}

func (k *conn) exchange(message []byte) (a answer, err error) {
	if err := k.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return a, err
	}
	if _, err := k.Write(message); err != nil {
		return a, err
	}
	response, err := http.ReadResponse(k.in, nil)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return a, err
	}
	return answer{response.StatusCode, response.Header.Get("Location"), response.Cookies()}, nil
}
