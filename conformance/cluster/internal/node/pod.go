package node

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// refreshEvery is how often volumes are written again.
const refreshEvery = 10 * time.Second

// pod is one that runs here, from its start to its end.
type pod struct {
	node    *node
	object  *corev1.Pod
	address netip.Addr
	dir     string
	volumes *volumes
	network sandbox
	status  *statusReporter

	containers []*running

	// ended is closed when the pod is to end, killed when nothing is left of its grace.
	ended  chan struct{}
	killed chan struct{}

	mu       sync.Mutex
	deadline time.Time
	kill     *time.Timer
}

func newPod(n *node, object *corev1.Pod, address netip.Addr) *pod {
	dir := filepath.Join(n.dir, "pods", string(object.UID))
	p := &pod{
		node: n, object: object, address: address, dir: dir,
		volumes: &volumes{kube: n.kube, object: object, dir: filepath.Join(dir, "volumes"), tokens: map[string]token{}},
		ended:   make(chan struct{}), killed: make(chan struct{}),
	}
	for i := range object.Spec.Containers {
		p.containers = append(p.containers, newRunning(p, &object.Spec.Containers[i]))
	}
	p.status = newStatusReporter(p)
	return p
}

// end asks the pod to end within a time. A later call can only shorten it.
func (p *pod) end(grace time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	deadline := time.Now().Add(grace)
	if p.kill == nil {
		close(p.ended)
		p.deadline = deadline
		p.kill = time.AfterFunc(grace, sync.OnceFunc(func() { close(p.killed) }))
		return
	}
	if deadline.Before(p.deadline) {
		p.deadline = deadline
		p.kill.Reset(grace)
	}
}

func (p *pod) ending() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// run is the pod's life. It comes back when nothing of the pod runs any more.
func (p *pod) run(ctx context.Context) {
	defer context.AfterFunc(ctx, func() { p.end(0) })()
	// living is done as soon as the pod is to end.
	living, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go func() {
		select {
		case <-p.ended:
			cancel()
		case <-living.Done():
		}
	}()
	reported := p.status.start(ctx)

	if err := p.prepare(living); err != nil {
		if living.Err() == nil {
			log.Printf("pod %s/%s: %v", p.object.Namespace, p.object.Name, err)
			p.status.blocked(err)
		}
		<-p.ended
	} else {
		go p.refresh(living)
		var all sync.WaitGroup
		for _, c := range p.containers {
			all.Go(func() { c.run(living) })
		}
		all.Wait()
	}
	p.status.finish()
	<-reported
	if p.network.name != "" {
		if err := p.network.remove(); err != nil {
			log.Printf("pod %s/%s: %v", p.object.Namespace, p.object.Name, err)
		}
	}
	_ = os.RemoveAll(p.dir)
}

// prepare makes what the containers need. It waits for objects that are not there yet, as a kubelet does.
func (p *pod) prepare(ctx context.Context) error {
	if err := supported(&p.object.Spec); err != nil {
		return err
	}
	said := ""
	for {
		err := p.volumes.write(ctx)
		if err == nil {
			break
		}
		if errors.Is(err, errUnsupported) || ctx.Err() != nil {
			return err
		}
		if text := err.Error(); text != said {
			said = text
			log.Printf("pod %s/%s waits: %v", p.object.Namespace, p.object.Name, err)
		}
		pause(ctx, retryEvery)
	}
	var err error
	p.network, err = newSandbox(string(p.object.UID[:8]), p.address)
	if err == nil {
		p.status.networkReady()
	}
	return err
}

func (p *pod) refresh(ctx context.Context) {
	for {
		pause(ctx, refreshEvery)
		if ctx.Err() != nil {
			return
		}
		if err := p.volumes.write(ctx); err != nil && ctx.Err() == nil {
			log.Printf("pod %s/%s: %v", p.object.Namespace, p.object.Name, err)
		}
	}
}

// supported refuses what the rig would have to run otherwise than a cluster does.
func supported(spec *corev1.PodSpec) error {
	no := func(what string) error { return fmt.Errorf("%w: %s", errUnsupported, what) }
	switch {
	case len(spec.InitContainers) > 0:
		return no("initContainers")
	case spec.HostNetwork || spec.HostPID || spec.HostIPC:
		return no("the host's namespaces")
	case len(spec.ReadinessGates) > 0:
		return no("readinessGates")
	}
	for _, c := range spec.Containers {
		switch {
		case c.Lifecycle != nil && c.Lifecycle.PostStart != nil:
			return no("lifecycle.postStart")
		case len(c.VolumeDevices) > 0:
			return no("volumeDevices")
		}
	}
	return nil
}
