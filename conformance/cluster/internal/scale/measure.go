package scale

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"egret.dev/conformance/cluster/internal/addresses"
)

// liveWithin is how long a change is waited for.
const liveWithin = 30 * time.Second

// lookEvery is the time between two looks at whether a change is served.
const lookEvery = 10 * time.Millisecond

// measured is what a run has found. Times are in seconds.
type measured struct {
	Updates float64 `json:"updatesPerMinute"`
	// Route is from the change of a route until a request is served by it, Told until its status says so, and Endpoint from
	// the change of an EndpointSlice until a request goes to the new endpoint.
	Route    times `json:"route"`
	Told     times `json:"told"`
	Endpoint times `json:"endpoint"`
}

type times struct {
	Count  int     `json:"count"`
	Median float64 `json:"median"`
	Worst  float64 `json:"worst"`
}

// backend answers every request with its own port.
type backend struct {
	port   int
	server *http.Server
}

func (c *cluster) measure(ctx context.Context, lasting time.Duration) (measured, error) {
	if c.gateway == "" {
		return measured{}, errors.New("--address is needed")
	}
	for index := range c.backends {
		served, err := serve()
		if err != nil {
			return measured{}, err
		}
		defer func() { _ = served.server.Close() }()
		c.backends[index] = served
	}
	if err := c.moveEndpoint(ctx, 0); err != nil {
		return measured{}, err
	}
	ctx, stop := context.WithTimeout(ctx, lasting)
	defer stop()
	var updates atomic.Int64
	began := time.Now()
	failed := make(chan error, 1)
	go func() { failed <- c.update(ctx, &updates) }()
	found, err := c.change(ctx)
	stop()
	found.Updates = float64(updates.Load()) / time.Since(began).Minutes()
	return found, errors.Join(err, <-failed)
}

// update changes the EndpointSlices of all Gateways but the first, one after the other.
func (c *cluster) update(ctx context.Context, updates *atomic.Int64) error {
	others := c.gateways - 1
	if others == 0 {
		<-ctx.Done()
		return nil
	}
	beat := time.NewTicker(time.Minute / time.Duration(c.updates))
	defer beat.Stop()
	// As many as one writer cannot keep up with are written by others.
	slots := make(chan struct{}, writers)
	failed := make(chan error, 1)
	for number := 0; ; number++ {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-beat.C:
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			updated := slice(1+number%others, number/others)
			_, err := c.kube.DiscoveryV1().EndpointSlices(namespace).Update(ctx, updated, metav1.UpdateOptions{})
			if err == nil {
				updates.Add(1)
			} else if ctx.Err() == nil {
				select {
				case failed <- err:
				default:
				}
			}
		}()
	}
}

// change changes what the first Gateway serves, again and again until ctx is done, and measures how long each change takes.
func (c *cluster) change(ctx context.Context) (measured, error) {
	var route, told, endpoint []time.Duration
	for round := 1; ctx.Err() == nil; round++ {
		began := time.Now()
		host := fmt.Sprintf("changed-%d.example.com", round)
		generation, err := c.renameRoute(ctx, host)
		if err == nil {
			err = until(ctx, func() bool { return c.ask(host) != "" })
		}
		served := time.Since(began)
		if err == nil {
			err = until(ctx, func() bool { return c.observed(ctx) >= generation })
		}
		wasTold := time.Since(began)
		began = time.Now()
		if err == nil {
			err = c.moveEndpoint(ctx, round%2)
		}
		if err == nil {
			port := fmt.Sprint(c.backends[round%2].port)
			err = until(ctx, func() bool { return c.ask(host) == port })
		}
		moved := time.Since(began)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return measured{}, fmt.Errorf("round %d: %w", round, err)
		}
		route, told, endpoint = append(route, served), append(told, wasTold), append(endpoint, moved)
	}
	return measured{Route: timesOf(route), Told: timesOf(told), Endpoint: timesOf(endpoint)}, nil
}

func (c *cluster) renameRoute(ctx context.Context, host string) (int64, error) {
	patch := fmt.Sprintf(`{"spec":{"hostnames":[%q,%q]}}`, routeHost(0), host)
	all := c.dynamic.Resource(routes).Namespace(namespace)
	changed, err := all.Patch(ctx, routeName(0), types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		return 0, err
	}
	return changed.GetGeneration(), nil
}

// observed is the generation of the route that its status is about.
func (c *cluster) observed(ctx context.Context) int64 {
	route, err := c.dynamic.Resource(routes).Namespace(namespace).Get(ctx, routeName(0), metav1.GetOptions{})
	if err != nil {
		return 0
	}
	status, _ := route.Object["status"].(object)
	parents, _ := status["parents"].([]any)
	for _, parent := range parents {
		conditions, _ := parent.(object)["conditions"].([]any)
		for _, condition := range conditions {
			generation, _ := condition.(object)["observedGeneration"].(int64)
			return generation
		}
	}
	return 0
}

// moveEndpoint lets the Service of the first Gateway lead to one of the backends.
func (c *cluster) moveEndpoint(ctx context.Context, backend int) error {
	moved := sliceTo(0, c.backends[backend].port)
	_, err := c.kube.DiscoveryV1().EndpointSlices(namespace).Update(ctx, moved, metav1.UpdateOptions{})
	return err
}

// ask sends a request to the first Gateway, and returns its answer, or nothing if it is none of a backend.
func (c *cluster) ask(host string) string {
	request, err := http.NewRequest(http.MethodGet, "http://"+c.gateway+"/", nil)
	if err != nil {
		return ""
	}
	request.Host = host
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}

func serve() (backend, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(addresses.Node.String(), "0"))
	if err != nil {
		return backend{}, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	server := &http.Server{Handler: http.HandlerFunc(func(to http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(to, port)
	})}
	go func() { _ = server.Serve(listener) }()
	return backend{port: port, server: server}, nil
}

func until(ctx context.Context, done func() bool) error {
	end := time.Now().Add(liveWithin)
	for !done() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(end) {
			return fmt.Errorf("the change is not live after %v", liveWithin)
		}
		time.Sleep(lookEvery)
	}
	return nil
}

func timesOf(all []time.Duration) times {
	if len(all) == 0 {
		return times{}
	}
	slices.Sort(all)
	return times{Count: len(all), Median: all[len(all)/2].Seconds(), Worst: all[len(all)-1].Seconds()}
}
