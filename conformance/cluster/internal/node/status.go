package node

import (
	"context"
	"encoding/json"
	"log"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"egret.dev/conformance/cluster/internal/addresses"
)

// lastWordWithin is how long the end of a pod waits for its last status to be written.
const lastWordWithin = 2 * time.Second

// statusReporter writes a pod's status, one write at a time, each with all that is known at that time.
type statusReporter struct {
	pod     *pod
	dirty   chan struct{}
	over    chan struct{}
	started metav1.Time

	mu          sync.Mutex
	network     bool
	obstacle    error
	transitions map[corev1.PodConditionType]corev1.PodCondition
}

func newStatusReporter(p *pod) *statusReporter {
	return &statusReporter{
		pod: p, dirty: make(chan struct{}, 1), over: make(chan struct{}), started: metav1.Now(),
		transitions: map[corev1.PodConditionType]corev1.PodCondition{},
	}
}

func (s *statusReporter) changed() {
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

func (s *statusReporter) networkReady() {
	s.mu.Lock()
	s.network = true
	s.mu.Unlock()
	s.changed()
}

// blocked says why the pod cannot run.
func (s *statusReporter) blocked(err error) {
	s.mu.Lock()
	s.obstacle = err
	s.mu.Unlock()
	s.changed()
}

func (s *statusReporter) finish() { close(s.over) }

// start reports until the pod has finished; the channel that it gives back is closed after the last word.
func (s *statusReporter) start(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	s.changed()
	go func() {
		defer close(done)
		for {
			select {
			case <-s.over:
				last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWordWithin)
				s.write(last)
				cancel()
				return
			case <-s.dirty:
				writing, cancel := context.WithCancel(ctx)
				stop := make(chan struct{})
				go func() { // An end does not wait for an API server that is away.
					select {
					case <-s.over:
						cancel()
					case <-stop:
					}
				}()
				s.write(writing)
				close(stop)
				cancel()
			}
		}
	}()
	return done
}

// write tries until the API server has taken the status.
func (s *statusReporter) write(ctx context.Context) {
	object := s.pod.object
	for ctx.Err() == nil {
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": object.UID}, "status": s.status()})
		if err != nil {
			log.Printf("pod %s/%s: %v", object.Namespace, object.Name, err)
			return
		}
		_, err = s.pod.node.kube.CoreV1().Pods(object.Namespace).
			Patch(ctx, object.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return
		}
		if apierrors.IsInvalid(err) {
			log.Printf("pod %s/%s: %v", object.Namespace, object.Name, err)
			return
		}
		pause(ctx, retryEvery)
	}
}

func (s *statusReporter) status() corev1.PodStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	node := addresses.Node.String()
	status := corev1.PodStatus{HostIP: node, HostIPs: []corev1.HostIP{{IP: node}}, StartTime: &s.started}
	if s.network {
		own := s.pod.address.String()
		status.PodIP, status.PodIPs = own, []corev1.PodIP{{IP: own}}
	}
	if s.obstacle != nil {
		status.Message = s.obstacle.Error()
	}
	ready, ran, ended, failed := true, true, true, false
	for _, c := range s.pod.containers {
		one := c.status()
		if s.obstacle != nil {
			one.State = waiting("CreateContainerConfigError", s.obstacle.Error())
		}
		status.ContainerStatuses = append(status.ContainerStatuses, one)
		ready = ready && one.Ready
		ran = ran && (one.State.Waiting == nil || one.LastTerminationState.Terminated != nil)
		ended = ended && one.State.Terminated != nil
		failed = failed || one.State.Terminated != nil && one.State.Terminated.ExitCode != 0
	}
	over := false
	select {
	case <-s.over:
		over = true
	default:
	}
	switch {
	case over && ended && failed:
		status.Phase = corev1.PodFailed
	case over && ended:
		status.Phase = corev1.PodSucceeded
	case ran:
		status.Phase = corev1.PodRunning
	default:
		status.Phase = corev1.PodPending
	}
	reason := ""
	if !ready {
		reason = "ContainersNotReady"
	}
	status.Conditions = []corev1.PodCondition{
		s.condition(corev1.PodReadyToStartContainers, s.network, ""),
		s.condition(corev1.PodInitialized, true, ""),
		s.condition(corev1.ContainersReady, ready, reason),
		s.condition(corev1.PodReady, ready, reason),
	}
	return status
}

// condition keeps the time of the last change.
func (s *statusReporter) condition(kind corev1.PodConditionType, holds bool, reason string) corev1.PodCondition {
	status := corev1.ConditionFalse
	if holds {
		status = corev1.ConditionTrue
	}
	before, known := s.transitions[kind]
	if !known || before.Status != status {
		before = corev1.PodCondition{Type: kind, Status: status, LastTransitionTime: metav1.Now()}
	}
	before.Reason = reason
	s.transitions[kind] = before
	return before
}

func (c *running) status() corev1.ContainerStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	started := c.started
	return corev1.ContainerStatus{
		Name: c.spec.Name, Image: c.spec.Image, ImageID: c.spec.Image, ContainerID: c.id(), Ready: c.ready, Started: &started,
		State: c.state, LastTerminationState: c.last, RestartCount: c.restarts,
	}
}

func (c *running) id() string { return "rig://" + string(c.pod.object.UID) + "/" + c.spec.Name }
