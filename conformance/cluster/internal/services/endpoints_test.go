package services

import (
	"net/netip"
	"slices"
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"
)

func endpoint(address string, ready, serving bool) discoveryv1.Endpoint {
	return discoveryv1.Endpoint{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving}}
}

func slice(name string, port int32, all ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: all, Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
	}
}

func TestEndpointsOf(t *testing.T) {
	for _, c := range []struct {
		name   string
		slices []*discoveryv1.EndpointSlice
		want   []string
	}{
		{"none", nil, nil},
		{"of several slices", []*discoveryv1.EndpointSlice{slice("a", 1, endpoint("10.0.0.1", true, true)), slice("a", 2, endpoint("10.0.0.2", true, true))}, []string{"10.0.0.1:1", "10.0.0.2:2"}},
		{"of another port", []*discoveryv1.EndpointSlice{slice("b", 1, endpoint("10.0.0.1", true, true))}, nil},
		{"only the ready ones", []*discoveryv1.EndpointSlice{slice("a", 1, endpoint("10.0.0.1", false, true), endpoint("10.0.0.2", true, true))}, []string{"10.0.0.2:1"}},
		{"ending, if none is ready", []*discoveryv1.EndpointSlice{slice("a", 1, endpoint("10.0.0.1", false, true), endpoint("10.0.0.2", false, false))}, []string{"10.0.0.1:1"}},
		{"no conditions", []*discoveryv1.EndpointSlice{slice("a", 1, discoveryv1.Endpoint{Addresses: []string{"10.0.0.1"}})}, []string{"10.0.0.1:1"}},
	} {
		var want endpoints
		for _, text := range c.want {
			want = append(want, netip.MustParseAddrPort(text))
		}
		if got := endpointsOf(c.slices, "a"); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", c.name, got, want)
		}
	}
}
