// Runs h2spec in full against the listeners of a built egret, in clear and over TLS.
//
//	go run ./h2spec [-section http2/6.9] [-verbose] EGRET-BINARY CONFIGURATION
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/reporter"
	"github.com/summerwind/h2spec/spec"
)

const (
	host  = "127.0.0.80"
	admin = "127.0.0.80:18081"
)

// listeners lists the listeners of egret.yaml.
var listeners = []struct {
	name string
	port int
	tls  bool
}{{"in clear", 18080, false}, {"over TLS", 18443, true}}

func main() {
	section := flag.String("section", "", "run this section alone")
	verbose := flag.Bool("verbose", false, "tell every frame")
	flag.Parse()
	passed, err := run(flag.Arg(0), flag.Arg(1), *section, *verbose)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err != nil || !passed {
		os.Exit(1)
	}
}

func run(egret, configuration, section string, verbose bool) (bool, error) {
	stopPage, err := page()
	if err != nil {
		return false, err
	}
	defer stopPage()
	stop, err := serve(egret, configuration)
	if err != nil {
		return false, err
	}
	defer stop()
	all := true
	for _, listener := range listeners {
		fmt.Printf("== HTTP/2 %s\n", listener.name)
		settings := &config.Config{
			Host:         host,
			Port:         listener.port,
			Path:         "/",
			Timeout:      5 * time.Second,
			MaxHeaderLen: 4000,
			Strict:       true,
			TLS:          listener.tls,
			Insecure:     true,
			Verbose:      verbose,
		}
		if section != "" {
			settings.Sections = []string{section}
		}
		all = test(settings) && all
	}
	return all, nil
}

// test runs all groups, prints the failed cases, and returns whether all passed and at least one did.
func test(settings *config.Config) bool {
	groups := []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()}
	if !settings.TLS {
		expectHTTP1(groups[1])
	}
	passed, failed := 0, 0
	for _, group := range groups {
		group.Test(settings)
		passed += group.PassedCount
		failed += group.FailedCount
	}
	if failed > 0 {
		reporter.FailedTests(groups)
	}
	reporter.Summary(groups)
	return failed == 0 && passed > 0
}

// serve starts egret with a new certificate, and waits until it is ready.
func serve(egret, configuration string) (func(), error) {
	folder, err := os.MkdirTemp("", "h2spec")
	if err != nil {
		return nil, err
	}
	secret, err := newSecret("h2spec", host)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(folder, "secret.yaml")
	if err := os.WriteFile(file, secret, 0o600); err != nil {
		return nil, err
	}
	command := exec.Command(egret, "serve", configuration, file, "--admin", admin, "--log-level", "warn")
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		return nil, err
	}
	stop := func() {
		command.Process.Kill()
		command.Wait()
		os.RemoveAll(folder)
	}
	for range 100 {
		response, err := http.Get("http://" + admin + "/readyz")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return stop, nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	return nil, fmt.Errorf("%s is not ready", egret)
}
