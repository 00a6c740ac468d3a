// Go clients and a Go server for the tests of real clients.
//
//	clients fetch URL CA-FILE                       requests a URL with net/http
//	clients grpc-serve [CERTIFICATE-FILE KEY-FILE]  serves gRPC's health service, and prints its port
//	clients grpc-check ADDRESS [CA-FILE]            calls that service, over TLS if there is a CA
//	clients grpc-route PROXY AUTHORITY              calls it over a connection to PROXY, in clear
//
// Clients print the outcome as JSON, and take the proxy from the environment.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

const timeout = 20 * time.Second

// outcome is the result of a request as the client saw it.
type outcome struct {
	Status int    `json:"status,omitempty"`
	Body   string `json:"body,omitempty"`
	Error  string `json:"error,omitempty"`
}

func main() {
	args := append(os.Args[1:], make([]string, 3)...)
	switch args[0] {
	case "fetch":
		tell(fetch(args[1], args[2]))
	case "grpc-serve":
		exit(serveHealth(args[1], args[2]))
	case "grpc-check":
		tell(check(args[1], args[2]))
	case "grpc-route":
		tell(route(args[1], args[2]))
	default:
		exit(fmt.Errorf("unknown command %q", args[0]))
	}
}

func tell(seen outcome) {
	exit(json.NewEncoder(os.Stdout).Encode(seen))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
