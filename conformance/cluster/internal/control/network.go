package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"egret.dev/conformance/cluster/internal/addresses"
)

// makeNetwork sets up the empty network namespace that it runs in. The prefixes of Services, load balancers and the
// internet are made local, so that a process here can listen on any of their addresses.
func makeNetwork() error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, device := range interfaces {
		// Some kernels give each new namespace a few devices that lead nowhere; they are down.
		if device.Flags&net.FlagLoopback == 0 && device.Flags&net.FlagUp != 0 {
			return errors.New("this is not an empty network namespace: start the cluster by conformance/cluster/up")
		}
	}
	commands := "link set lo up\n" +
		fmt.Sprintf("link add %s type bridge\n", addresses.Bridge) +
		fmt.Sprintf("addr add %s/%d dev %s\n", addresses.Node, addresses.Pods.Bits(), addresses.Bridge) +
		fmt.Sprintf("link set %s up\n", addresses.Bridge)
	for _, prefix := range []fmt.Stringer{addresses.ClusterIPs, addresses.LoadBalancers, addresses.Internet} {
		commands += fmt.Sprintf("route add local %s dev lo\n", prefix)
	}
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(commands)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("set up the network: %w: %s", err, out)
	}
	// Names of network namespaces are kept where only this cluster sees them.
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", "/run/netns", "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mount /run/netns: %w", err)
	}
	return nil
}
