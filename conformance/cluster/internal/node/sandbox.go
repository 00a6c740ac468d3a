package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"egret.dev/conformance/cluster/internal/addresses"
)

// sandbox is a pod's network: a namespace with one device on the node's bridge.
type sandbox struct {
	name    string
	address netip.Addr
}

func (s sandbox) path() string { return "/run/netns/" + s.name }

func newSandbox(id string, address netip.Addr) (sandbox, error) {
	s := sandbox{name: "pod-" + id, address: address}
	outside := "v" + id
	outer := fmt.Sprintf("netns add %s\nlink add %s type veth peer name eth0 netns %s\nlink set %s master %s up\n",
		s.name, outside, s.name, outside, addresses.Bridge)
	inner := fmt.Sprintf("link set lo up\naddr add %s/%d dev eth0\nlink set eth0 up\nroute add default via %s\n",
		address, addresses.Pods.Bits(), addresses.Node)
	if err := ip(outer, "-batch", "-"); err != nil {
		return s, err
	}
	return s, ip(inner, "-n", s.name, "-batch", "-")
}

func (s sandbox) remove() error { return ip("", "netns", "del", s.name) }

func ip(input string, args ...string) error {
	cmd := exec.Command("ip", args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// ipPool hands out the pods' addresses, each again only when all others have had their turn.
type ipPool struct {
	mu   sync.Mutex
	last netip.Addr
	used map[netip.Addr]bool
}

func newIPPool() *ipPool {
	return &ipPool{last: addresses.Node, used: map[netip.Addr]bool{addresses.Node: true}}
}

func (p *ipPool) take() (netip.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for next := p.last.Next(); next != p.last; next = next.Next() {
		// The network's first and last addresses are not for hosts.
		if !addresses.Pods.Contains(next) || !addresses.Pods.Contains(next.Next()) {
			next = addresses.Pods.Addr()
			continue
		}
		if !p.used[next] {
			p.last, p.used[next] = next, true
			return next, nil
		}
	}
	return netip.Addr{}, errors.New("no pod address is left")
}

func (p *ipPool) release(address netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.used, address)
}

// dial connects from inside of the pod's network. A socket belongs to the network of the thread that made it, so that
// one thread enters the pod's and is thrown away afterwards.
func (s sandbox) dial(network, address string) (net.Conn, error) {
	type dialled struct {
		conn net.Conn
		err  error
	}
	result := make(chan dialled, 1)
	go func() {
		runtime.LockOSThread() // Never unlocked: the thread ends with this function.
		conn, err := s.dialHere(network, address)
		result <- dialled{conn, err}
	}()
	d := <-result
	return d.conn, d.err
}

func (s sandbox) dialHere(network, address string) (net.Conn, error) {
	namespace, err := os.Open(s.path())
	if err != nil {
		return nil, err
	}
	defer func() { _ = namespace.Close() }()
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	return net.DialTimeout(network, address, 10*time.Second)
}
