package scale

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"egret.dev/conformance/cluster/internal/addresses"
)

// writers is how many objects are written at once.
const writers = 16

// endpointPort is where the endpoints of the Services are, except of those that are measured.
const endpointPort = 8080

var (
	gateways   = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gateways"}
	routes     = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}
	parameters = schema.GroupVersionResource{Group: "gateway.kgateway.dev", Version: "v1alpha1", Resource: "gatewayparameters"}
)

type object = map[string]any

func gatewayName(index int) string { return fmt.Sprintf("gateway-%d", index) }
func serviceName(index int) string { return fmt.Sprintf("service-%d", index) }
func routeName(index int) string   { return fmt.Sprintf("route-%d", index) }
func routeHost(index int) string   { return fmt.Sprintf("%s.example.com", routeName(index)) }

// create makes all objects. Gateways but the first have no pods, because nothing is asked of those.
func (c *cluster) create(ctx context.Context) error {
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if _, err := c.kube.CoreV1().Namespaces().Create(ctx, space, metav1.CreateOptions{}); err != nil {
		return err
	}
	for name, replicas := range map[string]int64{"served": 1, "idle": 0} {
		spec := object{"kube": object{"deployment": object{"replicas": replicas}}}
		if err := c.createObject(ctx, parameters, "GatewayParameters", name, spec); err != nil {
			return err
		}
	}
	if err := each(c.gateways, func(index int) error { return c.createGateway(ctx, index) }); err != nil {
		return err
	}
	return each(c.routes, func(index int) error { return c.createRoute(ctx, index) })
}

func (c *cluster) createGateway(ctx context.Context, index int) error {
	pods := "idle"
	if index == 0 {
		pods = "served"
	}
	spec := object{
		"gatewayClassName": "egret",
		"infrastructure": object{"parametersRef": object{
			"group": parameters.Group, "kind": "GatewayParameters", "name": pods,
		}},
		"listeners": []any{object{"name": "http", "protocol": "HTTP", "port": int64(8080)}},
	}
	if err := c.createObject(ctx, gateways, "Gateway", gatewayName(index), spec); err != nil {
		return err
	}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: serviceName(index)},
		Spec:       corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Ports: []corev1.ServicePort{{Port: endpointPort}}},
	}
	if _, err := c.kube.CoreV1().Services(namespace).Create(ctx, service, metav1.CreateOptions{}); err != nil {
		return err
	}
	_, err := c.kube.DiscoveryV1().EndpointSlices(namespace).Create(ctx, slice(index, 0), metav1.CreateOptions{})
	return err
}

func (c *cluster) createRoute(ctx context.Context, index int) error {
	gateway := index % c.gateways
	return c.createObject(ctx, routes, "HTTPRoute", routeName(index), object{
		"parentRefs": []any{object{"name": gatewayName(gateway)}},
		"hostnames":  []any{routeHost(index)},
		"rules": []any{object{"backendRefs": []any{object{
			"name": serviceName(gateway), "port": int64(endpointPort),
		}}}},
	})
}

func (c *cluster) createObject(ctx context.Context, resource schema.GroupVersionResource, kind, name string, spec object) error {
	_, err := c.dynamic.Resource(resource).Namespace(namespace).Create(ctx, &unstructured.Unstructured{Object: object{
		"apiVersion": resource.GroupVersion().String(), "kind": kind, "metadata": object{"name": name}, "spec": spec,
	}}, metav1.CreateOptions{})
	return err
}

// slice is the EndpointSlice of a Service with ten endpoints, in one of its versions: each has another endpoint that is not
// ready.
func slice(index, version int) *discoveryv1.EndpointSlice {
	var endpoints []discoveryv1.Endpoint
	for endpoint := range 10 {
		ready := endpoint != version%10
		address := fmt.Sprintf("10.244.%d.%d", 100+index%100, 10+endpoint)
		endpoints = append(endpoints, discoveryv1.Endpoint{
			Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		})
	}
	return sliceOf(index, endpointPort, endpoints)
}

// sliceTo is the EndpointSlice of a Service with one endpoint, at the node's address.
func sliceTo(index, port int) *discoveryv1.EndpointSlice {
	return sliceOf(index, port, []discoveryv1.Endpoint{{Addresses: []string{addresses.Node.String()}}})
}

func sliceOf(index, port int, endpoints []discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	name, number, protocol := "", int32(port), corev1.ProtocolTCP
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name: serviceName(index), Namespace: namespace,
			Labels: map[string]string{discoveryv1.LabelServiceName: serviceName(index)},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   endpoints,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &number, Protocol: &protocol}},
	}
}

// each calls do for every index below count, some at once, and returns all errors.
func each(count int, do func(index int) error) error {
	var all sync.WaitGroup
	failures := make([]error, writers)
	for writer := range writers {
		all.Go(func() {
			for index := writer; index < count && failures[writer] == nil; index += writers {
				failures[writer] = do(index)
			}
		})
	}
	all.Wait()
	return errors.Join(failures...)
}
