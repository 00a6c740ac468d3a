// Package addresses holds the cluster's plan of addresses. All of them exist only in its network namespace.
package addresses

import "net/netip"

var (
	// Pods is the network of the bridge that all pods are on.
	Pods = netip.MustParsePrefix("10.244.0.0/16")
	// Node is the bridge's own address: the node's, and the pods' way to all that is local.
	Node = netip.MustParseAddr("10.244.0.1")
	// ClusterIPs are handed out by the API server. Each is local, so that a forwarder can listen on it.
	ClusterIPs = netip.MustParsePrefix("10.96.0.0/16")
	// DNS is the pods' name server, in the part that the API server leaves to those who ask for an address by name.
	DNS = netip.MustParseAddr("10.96.0.10")
	// LoadBalancers are the addresses of Services of that type: those from FirstLoadBalancer on are handed out, those
	// below are left to Services that ask for one.
	LoadBalancers     = netip.MustParsePrefix("10.245.0.0/16")
	FirstLoadBalancer = netip.MustParseAddr("10.245.1.1")
	// Internet stands for it: addresses that a gateway takes for globally routable ones.
	Internet = netip.MustParsePrefix("44.192.0.0/24")
)

// Bridge is the name of the network device that the pods are attached to.
const Bridge = "rig0"
