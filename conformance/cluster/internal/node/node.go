// Package node stands in for the nodes of a cluster: it binds every pod to itself, runs its containers as processes in
// namespaces of their own, and speaks the part of the kubelet's API that logs, port-forward and exec need.
package node

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"

	"egret.dev/conformance/cluster/internal/addresses"
	"egret.dev/conformance/cluster/internal/names"
	"egret.dev/conformance/cluster/internal/services"
)

// kubeletPort is where the API server asks for logs and streams.
const kubeletPort = 10250

type node struct {
	ctx    context.Context
	kube   kubernetes.Interface
	name   string
	dir    string
	images images

	mu      sync.Mutex
	pods    map[types.UID]*pod
	podIPs  *ipPool
	running sync.WaitGroup
}

// Main runs the node until it is told to stop, and then ends its pods.
func Main(args []string) error {
	flags := flag.NewFlagSet("rig-node", flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "kubeconfig file")
	name := flags.String("name", "rig", "name of the Node object")
	dir := flags.String("dir", "node", "folder for volumes, roots and logs")
	images := images{}
	flags.Var(images, "image", "`NAME=PROGRAM` that is run for an image; without a PROGRAM, the image has only the machine's own programs")
	internet := names.Table{}
	flags.Var(internet, "internet", "`NAME=ADDRESS` that the cluster's DNS server answers")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 500, 1000
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	absolute, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	n := &node{ctx: ctx, kube: kube, name: *name, dir: absolute, images: images, pods: map[types.UID]*pod{}, podIPs: newIPPool()}
	return n.run(internet)
}

func (n *node) run(internet names.Table) error {
	kubelet, err := n.listenForAPIServer()
	if err != nil {
		return err
	}
	if err := n.register(); err != nil {
		return fmt.Errorf("register the node: %w", err)
	}
	factory := informers.NewSharedInformerFactory(n.kube, 0)
	_, err = factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { n.observe(o.(*corev1.Pod)) },
		UpdateFunc: func(_, o any) { n.observe(o.(*corev1.Pod)) },
		DeleteFunc: func(o any) {
			if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = gone.Obj
			}
			if p, ok := o.(*corev1.Pod); ok {
				n.forget(p)
			}
		},
	})
	if err != nil {
		return err
	}
	if err := services.Run(n.ctx, n.kube, factory); err != nil {
		return err
	}
	if err := names.Run(n.ctx, factory, internet); err != nil {
		return err
	}
	factory.Start(n.ctx.Done())
	factory.WaitForCacheSync(n.ctx.Done())
	if err := os.WriteFile(filepath.Join(n.dir, "ready"), nil, 0o644); err != nil {
		return err
	}
	<-n.ctx.Done()
	_ = kubelet.Close()
	n.running.Wait()
	return nil
}

// register makes the Node object. EndpointSlices hold only pods of nodes that exist.
func (n *node) register() error {
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return err
	}
	nodes := n.kube.CoreV1().Nodes()
	object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.name, Labels: map[string]string{"kubernetes.io/hostname": n.name}}}
	if _, err := nodes.Create(n.ctx, object, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	live, err := nodes.Get(n.ctx, n.name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	now := metav1.Now()
	live.Status.Addresses = []corev1.NodeAddress{
		{Type: corev1.NodeInternalIP, Address: addresses.Node.String()}, {Type: corev1.NodeHostName, Address: n.name},
	}
	live.Status.DaemonEndpoints.KubeletEndpoint.Port = kubeletPort
	live.Status.Capacity = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourcePods: resource.MustParse("1000"),
	}
	live.Status.Allocatable = live.Status.Capacity
	live.Status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", LastHeartbeatTime: now, LastTransitionTime: now,
	}}
	_, err = nodes.UpdateStatus(n.ctx, live, metav1.UpdateOptions{})
	return err
}

// observe brings a pod one step on: it binds it, starts it, or begins to end it.
func (n *node) observe(object *corev1.Pod) {
	if object.Spec.NodeName == "" {
		if object.DeletionTimestamp == nil {
			go n.bind(object)
		}
		return
	}
	if object.Spec.NodeName != n.name || object.Status.Phase == corev1.PodFailed || object.Status.Phase == corev1.PodSucceeded {
		if object.Spec.NodeName == n.name && object.DeletionTimestamp != nil {
			go n.remove(object)
		}
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	known := n.pods[object.UID]
	if object.DeletionTimestamp != nil {
		if known == nil {
			go n.remove(object)
			return
		}
		known.end(gracePeriod(object))
		return
	}
	if known != nil || n.ctx.Err() != nil {
		return
	}
	address, err := n.podIPs.take()
	if err != nil {
		log.Printf("pod %s/%s: %v", object.Namespace, object.Name, err)
		return
	}
	started := newPod(n, object, address)
	n.pods[object.UID] = started
	n.running.Go(func() {
		started.run(n.ctx)
		n.podIPs.release(address)
		n.remove(object)
		n.mu.Lock()
		delete(n.pods, object.UID)
		n.mu.Unlock()
	})
}

func gracePeriod(object *corev1.Pod) time.Duration {
	seconds := int64(30)
	if object.Spec.TerminationGracePeriodSeconds != nil {
		seconds = *object.Spec.TerminationGracePeriodSeconds
	}
	if object.DeletionGracePeriodSeconds != nil {
		seconds = *object.DeletionGracePeriodSeconds
	}
	return time.Duration(seconds) * time.Second
}

func (n *node) bind(object *corev1.Pod) {
	err := n.kube.CoreV1().Pods(object.Namespace).Bind(n.ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: object.Namespace, Name: object.Name, UID: object.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: n.name},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) && n.ctx.Err() == nil {
		log.Printf("bind %s/%s: %v", object.Namespace, object.Name, err)
	}
}

// forget ends a pod whose object is gone already, as by a deletion without grace.
func (n *node) forget(object *corev1.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if known := n.pods[object.UID]; known != nil {
		known.end(0)
	}
}

// remove deletes the object of a pod that has ended. A pod that ended by itself stays, as a record of how.
func (n *node) remove(object *corev1.Pod) {
	pods := n.kube.CoreV1().Pods(object.Namespace)
	at_once := int64(0)
	for n.ctx.Err() == nil {
		live, err := pods.Get(n.ctx, object.Name, metav1.GetOptions{})
		if err == nil && (live.UID != object.UID || live.DeletionTimestamp == nil) {
			return
		}
		if err == nil {
			err = pods.Delete(n.ctx, object.Name, metav1.DeleteOptions{
				GracePeriodSeconds: &at_once, Preconditions: &metav1.Preconditions{UID: &object.UID},
			})
		}
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return
		}
		pause(n.ctx, retryEvery)
	}
}

// find gives the pod that runs under a name; a new one may have taken the name of one that is ending.
func (n *node) find(namespace, name string) (*pod, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var found *pod
	for _, p := range n.pods {
		if p.object.Namespace == namespace && p.object.Name == name && (found == nil || !p.ending()) {
			found = p
		}
	}
	if found == nil {
		return nil, errors.New("pod does not exist")
	}
	return found, nil
}

// retryEvery is how often the node tries again what the API server did not do.
const retryEvery = 300 * time.Millisecond

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// images says which program is run for an image, by the image's repository.
type images map[string]string

func (i images) String() string { return "" }

func (i images) Set(entry string) error {
	name, program, ok := strings.Cut(entry, "=")
	if !ok {
		return fmt.Errorf("%q is not NAME=PROGRAM", entry)
	}
	i[repository(name)] = program
	return nil
}

// program of an image, "" for one that has none of its own.
func (i images) program(image string) (string, error) {
	program, known := i[repository(image)]
	if !known {
		return "", fmt.Errorf("no program stands for the image %s", image)
	}
	return program, nil
}

// repository is an image's name without tag, digest and the registry that goes without saying.
func repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndexByte(image, ':'); colon > strings.LastIndexByte(image, '/') {
		image = image[:colon]
	}
	return strings.TrimPrefix(strings.TrimPrefix(image, "docker.io/"), "library/")
}
