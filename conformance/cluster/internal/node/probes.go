package node

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/kubernetes/pkg/probe"
	httpprobe "k8s.io/kubernetes/pkg/probe/http"
)

// startProbes probes the container until probing is done. What it gives back is closed when the container is to be
// started anew; that does not happen any more once living is done, while readiness is asked for to the end.
func (c *running) startProbes(probing, living context.Context) <-chan struct{} {
	unhealthy := make(chan struct{})
	fail := sync.OnceFunc(func() {
		if living.Err() == nil {
			close(unhealthy)
		}
	})
	afterwards := func() {
		if p := c.spec.ReadinessProbe; p != nil {
			go c.repeat(probing, p, func(ok bool) { c.update(func() { c.ready = ok }) })
		}
		if p := c.spec.LivenessProbe; p != nil {
			go c.repeat(living, p, func(ok bool) {
				if !ok {
					fail()
				}
			})
		}
	}
	if c.spec.StartupProbe == nil {
		afterwards()
		return unhealthy
	}
	starting, started := context.WithCancel(probing)
	go c.repeat(starting, c.spec.StartupProbe, func(ok bool) {
		if !ok {
			fail()
			return
		}
		started()
		c.update(func() { c.started, c.ready = true, c.spec.ReadinessProbe == nil })
		afterwards()
	})
	return unhealthy
}

// repeat probes at the probe's pace, and says so when the result has held as often as the probe asks for.
func (c *running) repeat(ctx context.Context, p *corev1.Probe, say func(ok bool)) {
	count := thresholds{success: orElse(p.SuccessThreshold, 1), failure: orElse(p.FailureThreshold, 3)}
	pause(ctx, time.Duration(p.InitialDelaySeconds)*time.Second)
	for ctx.Err() == nil {
		ok := c.probe(ctx, p) == nil
		if ctx.Err() == nil && count.add(ok) {
			say(ok)
		}
		pause(ctx, time.Duration(orElse(p.PeriodSeconds, 10))*time.Second)
	}
}

func orElse(value, otherwise int32) int32 {
	if value == 0 {
		return otherwise
	}
	return value
}

// thresholds counts equal results in a row.
type thresholds struct {
	success, failure int32
	row              int32
	ok               bool
}

// add takes a result and tells whether it counts: whether it has come often enough.
func (t *thresholds) add(ok bool) bool {
	if ok != t.ok {
		t.row = 0
	}
	t.ok = ok
	t.row++
	if ok {
		return t.row >= t.success
	}
	return t.row >= t.failure
}

func (c *running) probe(ctx context.Context, p *corev1.Probe) error {
	within := time.Duration(orElse(p.TimeoutSeconds, 1)) * time.Second
	switch {
	case p.HTTPGet != nil:
		request, err := httpprobe.NewRequestForHTTPGetAction(p.HTTPGet, c.spec, c.pod.address.String(), "probe")
		if err != nil {
			return err
		}
		result, output, err := httpprobe.New(false).Probe(request, within)
		if err == nil && result != probe.Success && result != probe.Warning {
			err = fmt.Errorf("%s", output)
		}
		return err
	case p.TCPSocket != nil:
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(c.pod.address.String(), c.port(p.TCPSocket.Port)), within)
		if err == nil {
			err = conn.Close()
		}
		return err
	case p.Exec != nil:
		limited, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		return c.exec(limited, p.Exec.Command, nil, io.Discard, io.Discard)
	}
	return fmt.Errorf("%w: this kind of probe", errUnsupported)
}

func (c *running) port(port intstr.IntOrString) string {
	if port.Type == intstr.String {
		for _, named := range c.spec.Ports {
			if named.Name == port.StrVal {
				return strconv.Itoa(int(named.ContainerPort))
			}
		}
	}
	return port.String()
}
