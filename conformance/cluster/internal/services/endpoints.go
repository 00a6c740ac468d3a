package services

import (
	"net/netip"

	discoveryv1 "k8s.io/api/discovery/v1"
)

// endpoints are where a Service's port leads.
type endpoints []netip.AddrPort

// endpointsOf gives the endpoints that are ready. If there is none, those that end and still serve are better than nothing.
func endpointsOf(slices []*discoveryv1.EndpointSlice, portName string) endpoints {
	var ready, serving endpoints
	for _, slice := range slices {
		if slice.AddressType != discoveryv1.AddressTypeIPv4 {
			continue
		}
		for _, port := range slice.Ports {
			name := ""
			if port.Name != nil {
				name = *port.Name
			}
			if name != portName || port.Port == nil {
				continue
			}
			for _, endpoint := range slice.Endpoints {
				for _, text := range endpoint.Addresses {
					address, err := netip.ParseAddr(text)
					if err != nil {
						continue
					}
					at := netip.AddrPortFrom(address, uint16(*port.Port))
					conditions := endpoint.Conditions
					switch {
					case conditions.Ready == nil || *conditions.Ready:
						ready = append(ready, at)
					case conditions.Serving != nil && *conditions.Serving:
						serving = append(serving, at)
					}
				}
			}
		}
	}
	if len(ready) > 0 {
		return ready
	}
	return serving
}
