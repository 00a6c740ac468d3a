package services

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// forwarder takes connections at one address and port of a Service, and gives each to one of the endpoints.
type forwarder struct {
	listener  *net.TCPListener
	endpoints atomic.Pointer[endpoints]
}

func listen(at netip.AddrPort) (*forwarder, error) {
	listener, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", at, err)
	}
	f := &forwarder{listener: listener}
	f.endpoints.Store(&endpoints{})
	go f.accept()
	return f, nil
}

// close takes no more connections; those that are there go on, as they do in a cluster.
func (f *forwarder) close() { _ = f.listener.Close() }

func (f *forwarder) accept() {
	for {
		client, err := f.listener.AcceptTCP()
		if err != nil {
			return
		}
		go f.forward(client)
	}
}

func (f *forwarder) forward(client *net.TCPConn) {
	defer func() { _ = client.Close() }()
	all := *f.endpoints.Load()
	if len(all) == 0 {
		reset(client)
		return
	}
	conn, err := net.DialTimeout("tcp4", all[rand.IntN(len(all))].String(), 10*time.Second)
	if err != nil {
		reset(client)
		return
	}
	server := conn.(*net.TCPConn)
	defer func() { _ = server.Close() }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		pump(server, client)
	}()
	pump(client, server)
	<-done
}

// pump copies one direction, and passes on how it ended: an orderly end as one, a broken connection as a broken one.
func pump(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		reset(to)
		reset(from)
		return
	}
	_ = to.CloseWrite()
}

func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}
