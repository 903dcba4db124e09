package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// patience is how long each step of the end may take.
const patience = 10 * time.Second

// serve answers requests until ctx is done, and then ends in the order that loses
// nothing: requests first, then events, then connections.
func serve(ctx context.Context, o options, s *shop, out io.Writer) error {
	// How it goes is of use until the end: this server is the last to stop.
	debug, err := listen(ctx, o.debug, s.debugRoutes())
	if err != nil {
		return errors.Join(err, s.end(out))
	}
	public, err := listen(ctx, o.addr, s.routes())
	if err != nil {
		return errors.Join(err, s.end(out), debug.stop())
	}
	say(out, "debugging on %s\nlistening on %s\n", debug.url, public.url)
	select {
	case <-ctx.Done():
	case err = <-public.failed:
	}
	return errors.Join(err, public.stop(), s.end(out), debug.stop())
}

// end closes the shop, with a deadline of its own: ctx of serve is done already, and
// what slow requests have used up is gone.
func (s *shop) end(out io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	left, err := s.close(ctx)
	h := s.health()
	var refused int64
	for _, n := range h.Refused {
		refused += n
	}
	say(out, "closed: %d orders, %d events accepted, %d delivered, %d refused, %d lost; %v\n",
		h.Orders, h.Accepted, h.Delivered, refused, h.Lost, left)
	return err
}

// server is a listening [http.Server].
type server struct {
	*http.Server
	url    string // "nowhere" for one that does not listen
	failed chan error
}

// listen serves at an address. An empty one means nowhere.
func listen(ctx context.Context, addr string, handler http.Handler) (*server, error) {
	if addr == "" {
		return &server{Server: &http.Server{ReadHeaderTimeout: patience}, url: "nowhere"}, nil
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &server{
		Server: &http.Server{Handler: handler, ReadHeaderTimeout: patience, IdleTimeout: 2 * time.Minute},
		url:    "http://" + l.Addr().String(), failed: make(chan error, 1),
	}
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	return s, nil
}

// stop waits for the requests that are under way.
func (s *server) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return s.Shutdown(ctx)
}

// say prints something.
func say(out io.Writer, format string, args ...any) {
	//lint:ignore errcheck what cannot be printed cannot be reported either
	_, _ = fmt.Fprintf(out, format, args...)
}
