// Package control starts a cluster's processes, watches over them, and ends them. It runs as the first process of
// namespaces of its own for processes, network and mounts, so that nothing outlives it and nothing leaves the machine.
package control

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"egret.dev/conformance/cluster/internal/addresses"
)

// Ports of the control plane.
const (
	etcdPort       = 2379
	apiServerPort  = 6443
	controllerPort = 10257
)

// startsWithin is how long each process may take until it is ready: some seconds, and much longer on a machine that is busy.
const startsWithin = 5 * time.Minute

type cluster struct {
	dir      string
	bin      string
	internet string
	images   []string
	token    string

	running   map[string]*process
	apiServer func() *process
	// failed gets the first process that ended and should not have.
	failed chan error
}

// Main runs a cluster until it is told to stop. SIGUSR1 kills the API server and SIGUSR2 starts it again, for those who
// test what happens meanwhile; killed, and not ended in good order, because an outage comes without notice.
func Main(args []string) error {
	flags := flag.NewFlagSet("rig-control", flag.ContinueOnError)
	c := &cluster{running: map[string]*process{}, failed: make(chan error, 8)}
	flags.StringVar(&c.dir, "dir", "", "folder for state, logs and the kubeconfig; all paths are absolute")
	flags.StringVar(&c.bin, "bin", "", "folder with the links to this program")
	flags.StringVar(&c.internet, "internet", "httpbin.org", "name at which a web server answers on port 80 of a made-up internet")
	flags.Func("image", "`NAME=PROGRAM` that the node runs for an image", func(entry string) error {
		c.images = append(c.images, entry)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !filepath.IsAbs(c.dir) || !filepath.IsAbs(c.bin) {
		return errors.New("--dir and --bin have to be absolute paths")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	outage := make(chan os.Signal, 4)
	signal.Notify(outage, syscall.SIGUSR1, syscall.SIGUSR2)

	defer c.stopAll()
	if err := c.startAll(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-c.failed:
			return err
		case s := <-outage:
			if s == syscall.SIGUSR1 {
				c.running["kube-apiserver"].kill()
			} else if c.running["kube-apiserver"].ended() {
				c.running["kube-apiserver"] = c.apiServer()
			}
		}
	}
}

func (c *cluster) startAll(ctx context.Context) error {
	began := time.Now()
	say := func(what string) { fmt.Printf("%5.1f s  %s\n", time.Since(began).Seconds(), what) }
	if err := makeNetwork(); err != nil {
		return err
	}
	if err := c.writeCredentials(); err != nil {
		return err
	}
	web := addresses.Internet.Addr().Next().String()
	c.start("go-httpbin", "-host", web, "-port", "80")
	c.start("etcd", etcdFlags(c.path("etcd"))...)
	c.apiServer = func() *process { return c.start("kube-apiserver", c.apiServerFlags()...) }
	c.apiServer()
	if err := c.wait(ctx, "the API server", c.apiServerReady); err != nil {
		return err
	}
	say("the API server is ready")
	c.start("kube-controller-manager", c.controllerFlags()...)
	node := []string{"--kubeconfig", c.path("kubeconfig"), "--dir", c.path("node"), "--internet", c.internet + "=" + web}
	for _, image := range c.images {
		node = append(node, "--image", image)
	}
	c.start("rig-node", node...)
	if err := c.wait(ctx, "the controller manager", c.controllerReady); err != nil {
		return err
	}
	if err := c.wait(ctx, "the node", c.nodeReady); err != nil {
		return err
	}
	say("the cluster is ready")
	return os.WriteFile(c.path("ready"), nil, 0o644)
}

func (c *cluster) path(name string) string { return filepath.Join(c.dir, name) }

// wait asks again and again until the answer is yes, and gives up when a process has ended.
func (c *cluster) wait(ctx context.Context, what string, ready func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, startsWithin)
	defer cancel()
	for {
		err := ready(limited)
		if err == nil {
			return nil
		}
		select {
		case failure := <-c.failed:
			return failure
		case <-limited.Done():
			return fmt.Errorf("%s is not ready after %s: %w", what, startsWithin, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// stopAll ends what uses the API server before the API server, so that all of them can end in good order.
func (c *cluster) stopAll() {
	for _, name := range []string{"rig-node", "kube-controller-manager", "kube-apiserver", "etcd", "go-httpbin"} {
		if p := c.running[name]; p != nil {
			p.stop()
		}
	}
}
