package services

import (
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestChoose(t *testing.T) {
	other := "example.com/other"
	used := map[netip.Addr]bool{netip.MustParseAddr("10.245.1.1"): true, netip.MustParseAddr("10.245.0.7"): true}
	for _, c := range []struct {
		name string
		spec corev1.ServiceSpec
		want string
	}{
		{"the first that is free", corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer}, "10.245.1.2"},
		{"the one that it asks for", corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, LoadBalancerIP: "10.245.0.8"}, "10.245.0.8"},
		{"one that another has", corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, LoadBalancerIP: "10.245.0.7"}, ""},
		{"one of elsewhere", corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, LoadBalancerIP: "192.0.2.1"}, ""},
		{"another type", corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP}, ""},
		{"another's class", corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, LoadBalancerClass: &other}, ""},
	} {
		got, ok := choose(&corev1.Service{Spec: c.spec}, used)
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("%s: got %v, %v; want %q", c.name, got, ok, c.want)
		}
	}
}
