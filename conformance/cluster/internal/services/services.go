// Package services is what a cluster has for Services beside their objects: forwarders from their addresses to the pods
// behind them, and the addresses of those that are load balancers.
package services

import (
	"context"
	"log"
	"net/netip"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
)

// syncEvery is how often everything is looked at again, for the sake of addresses that could not be written or bound.
const syncEvery = 2 * time.Second

type controller struct {
	services  corelisters.ServiceLister
	slices    discoverylisters.EndpointSliceLister
	balancers *balancers
	dirty     chan struct{}

	mu         sync.Mutex
	forwarders map[netip.AddrPort]*forwarder
}

// Run follows Services and their endpoints until ctx is done. The caller starts the informers afterwards.
func Run(ctx context.Context, kube kubernetes.Interface, factory informers.SharedInformerFactory) error {
	services, slices := factory.Core().V1().Services(), factory.Discovery().V1().EndpointSlices()
	c := &controller{
		services: services.Lister(), slices: slices.Lister(), balancers: &balancers{kube: kube},
		dirty: make(chan struct{}, 1), forwarders: map[netip.AddrPort]*forwarder{},
	}
	changed := func() {
		select {
		case c.dirty <- struct{}{}:
		default:
		}
	}
	handlers := cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { changed() }, UpdateFunc: func(_, _ any) { changed() }, DeleteFunc: func(any) { changed() },
	}
	for _, informer := range []cache.SharedIndexInformer{services.Informer(), slices.Informer()} {
		if _, err := informer.AddEventHandler(handlers); err != nil {
			return err
		}
	}
	go func() {
		if !cache.WaitForCacheSync(ctx.Done(), services.Informer().HasSynced, slices.Informer().HasSynced) {
			return
		}
		for ctx.Err() == nil {
			c.sync(ctx)
			select {
			case <-ctx.Done():
			case <-c.dirty:
			case <-time.After(syncEvery):
			}
		}
	}()
	return nil
}

func (c *controller) sync(ctx context.Context) {
	services, err := c.services.List(labels.Everything())
	if err != nil {
		log.Printf("list Services: %v", err)
		return
	}
	c.balancers.assign(ctx, services)
	wanted := map[netip.AddrPort]endpoints{}
	for _, service := range services {
		found, err := c.slices.EndpointSlices(service.Namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: service.Name}))
		if err != nil {
			log.Printf("list EndpointSlices: %v", err)
			return
		}
		for _, port := range service.Spec.Ports {
			if port.Protocol != corev1.ProtocolTCP {
				continue
			}
			behind := endpointsOf(found, port.Name)
			for _, address := range addressesOf(service) {
				wanted[netip.AddrPortFrom(address, uint16(port.Port))] = behind
			}
		}
	}
	c.serve(wanted)
}

// serve listens where a Service has a port, and nowhere else.
func (c *controller) serve(wanted map[netip.AddrPort]endpoints) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at, f := range c.forwarders {
		if _, still := wanted[at]; !still {
			f.close()
			delete(c.forwarders, at)
		}
	}
	for at, behind := range wanted {
		f := c.forwarders[at]
		if f == nil {
			opened, err := listen(at)
			if err != nil {
				log.Printf("serve a Service: %v", err)
				continue
			}
			f = opened
			c.forwarders[at] = f
		}
		f.endpoints.Store(&behind)
	}
}

// addressesOf are those on which a Service is reached.
func addressesOf(service *corev1.Service) []netip.Addr {
	texts := append([]string{}, service.Spec.ClusterIPs...)
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		texts = append(texts, ingress.IP)
	}
	var all []netip.Addr
	for _, text := range texts {
		// "None" is a headless Service's.
		if address, err := netip.ParseAddr(text); err == nil {
			all = append(all, address)
		}
	}
	return all
}
