// Package load sends requests at a steady rate, and says which of them failed and when.
package load

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// answerWithin is how long a request may take.
const answerWithin = 10 * time.Second

type summary struct {
	Requests int            `json:"requests"`
	Failed   int            `json:"failed"`
	Failures map[string]int `json:"failures,omitempty"`
	// FailingFor is the time in seconds between the first and the last failure.
	FailingFor float64 `json:"failingFor"`
}

type counter struct {
	mu          sync.Mutex
	all         summary
	first, last time.Time
}

// Main sends until it is told to stop, and then prints what it has counted. Half of the clients keep their connection, the
// others make one for each request.
func Main(args []string) error {
	flags := flag.NewFlagSet("rig-load", flag.ContinueOnError)
	target := flags.String("url", "", "what is asked for")
	host := flags.String("host", "", "the Host field")
	clients := flags.Int("clients", 20, "clients, each with one request at a time")
	rate := flags.Int("rate", 100, "requests a second, of all clients together")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *target == "" || *clients < 1 || *rate < 1 {
		return errors.New("--url, and at least one client and one request a second, are needed")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	count := &counter{all: summary{Failures: map[string]int{}}}
	every := time.Duration(*clients) * time.Second / time.Duration(*rate)
	var all sync.WaitGroup
	for i := range *clients {
		all.Go(func() {
			transport := &http.Transport{MaxConnsPerHost: 1, DisableKeepAlives: i%2 == 0}
			client := &http.Client{Transport: transport, Timeout: answerWithin}
			beat := time.NewTicker(every)
			defer beat.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-beat.C:
					count.add(ask(client, *target, *host))
				}
			}
		})
	}
	all.Wait()
	return json.NewEncoder(os.Stdout).Encode(count.summary())
}

func ask(client *http.Client, target, host string) error {
	request, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	request.Host = host
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

func (c *counter) add(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all.Requests++
	if err == nil {
		return
	}
	now := time.Now()
	fmt.Fprintf(os.Stderr, "%s %v\n", now.UTC().Format(time.RFC3339Nano), err)
	c.all.Failed++
	c.all.Failures[cause(err)]++
	if c.first.IsZero() {
		c.first = now
	}
	c.last = now
}

// cause is what an error says without the addresses of its connection, of which each would be another cause.
func cause(err error) string {
	var operation *net.OpError
	if errors.As(err, &operation) {
		return operation.Op + ": " + operation.Err.Error()
	}
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err.Error()
	}
	return err.Error()
}

func (c *counter) summary() summary {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all.FailingFor = c.last.Sub(c.first).Seconds()
	return c.all
}
