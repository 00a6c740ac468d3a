package services

import (
	"context"
	"encoding/json"
	"log"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"egret.dev/conformance/cluster/internal/addresses"
)

// balancers gives addresses to Services of type LoadBalancer, as a cloud's controller does.
type balancers struct{ kube kubernetes.Interface }

// assign brings the status of every Service up to date.
func (b *balancers) assign(ctx context.Context, services []*corev1.Service) {
	used := map[netip.Addr]bool{}
	for _, service := range services {
		if held, ok := held(service); ok && wants(service, held) {
			used[held] = true
		}
	}
	for _, service := range services {
		has, ok := held(service)
		if ok && wants(service, has) || !ok && service.Spec.Type != corev1.ServiceTypeLoadBalancer {
			continue
		}
		given, found := choose(service, used)
		if !ok && !found {
			continue
		}
		var ingress []corev1.LoadBalancerIngress
		if found {
			used[given] = true
			ingress = []corev1.LoadBalancerIngress{{IP: given.String()}}
		}
		if err := b.write(ctx, service, ingress); err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil {
			log.Printf("Service %s/%s: %v", service.Namespace, service.Name, err)
		}
	}
}

func held(service *corev1.Service) (netip.Addr, bool) {
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		address, err := netip.ParseAddr(ingress.IP)
		return address, err == nil
	}
	return netip.Addr{}, false
}

// wants tells whether an address is still the one that a Service is to have.
func wants(service *corev1.Service, address netip.Addr) bool {
	if service.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return false
	}
	asked := service.Spec.LoadBalancerIP
	return asked == "" || asked == address.String()
}

// choose gives the address that a Service asks for, if it can be had, or the first that is free.
func choose(service *corev1.Service, used map[netip.Addr]bool) (netip.Addr, bool) {
	if service.Spec.Type != corev1.ServiceTypeLoadBalancer || service.Spec.LoadBalancerClass != nil {
		return netip.Addr{}, false
	}
	if asked := service.Spec.LoadBalancerIP; asked != "" {
		address, err := netip.ParseAddr(asked)
		return address, err == nil && addresses.LoadBalancers.Contains(address) && !used[address]
	}
	for address := addresses.FirstLoadBalancer; addresses.LoadBalancers.Contains(address); address = address.Next() {
		if !used[address] {
			return address, true
		}
	}
	return netip.Addr{}, false
}

func (b *balancers) write(ctx context.Context, service *corev1.Service, ingress []corev1.LoadBalancerIngress) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": service.UID},
		"status":   map[string]any{"loadBalancer": map[string]any{"ingress": ingress}},
	})
	if err != nil {
		return err
	}
	_, err = b.kube.CoreV1().Services(service.Namespace).
		Patch(ctx, service.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}
