// Package scale makes a cluster large, changes it all the time, and measures how long a change takes to be served.
package scale

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// namespace holds all objects.
const namespace = "scale"

// size is how large the cluster is made, and how much of it changes.
type size struct {
	gateways, routes int
	// updates is the number of changes of EndpointSlices in a minute.
	updates int
}

type cluster struct {
	size
	kube     kubernetes.Interface
	dynamic  dynamic.Interface
	gateway  string
	backends [2]backend
}

// Main has two commands: `create` makes the objects, and `measure` changes them and measures.
func Main(args []string) error {
	if len(args) == 0 {
		return errors.New("create or measure")
	}
	var c cluster
	flags := flag.NewFlagSet("rig-scale "+args[0], flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig file")
	flags.IntVar(&c.gateways, "gateways", 100, "Gateways, each with a Service; only the first has a pod")
	flags.IntVar(&c.routes, "routes", 10000, "HTTPRoutes, of all Gateways together")
	flags.IntVar(&c.updates, "updates", 5000, "changes of EndpointSlices in a minute")
	flags.StringVar(&c.gateway, "address", "", "host and port of the first Gateway")
	seconds := flags.Int("seconds", 60, "how long to measure")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if c.gateways < 1 || c.routes < c.gateways || c.updates < 1 {
		return errors.New("at least one Gateway, a route for each, and one change in a minute are needed")
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	// No limit of the client's own: the API server has its own, and the rate of changes is what is asked for.
	config.QPS = -1
	if c.kube, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	if c.dynamic, err = dynamic.NewForConfig(config); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	switch args[0] {
	case "create":
		return c.create(ctx)
	case "measure":
		measured, err := c.measure(ctx, time.Duration(*seconds)*time.Second)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(measured)
	default:
		return fmt.Errorf("there is no command %s", args[0])
	}
}
