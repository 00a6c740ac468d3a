package main

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// serveHealth runs the health service, over TLS if there is a certificate.
func serveHealth(certificate, key string) error {
	var options []grpc.ServerOption
	if certificate != "" {
		secure, err := credentials.NewServerTLSFromFile(certificate, key)
		if err != nil {
			return err
		}
		options = append(options, grpc.Creds(secure))
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer(options...)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	return server.Serve(listener)
}

// check calls the service at an address, which the proxy of the environment has to resolve.
func check(address, caFile string) outcome {
	secure := insecure.NewCredentials()
	if caFile != "" {
		roots, err := trusting(caFile)
		if err != nil {
			return outcome{Error: err.Error()}
		}
		secure = credentials.NewClientTLSFromCert(roots, "")
	}
	return ask("dns:///"+address, grpc.WithTransportCredentials(secure))
}

// route calls the service that authority names over a connection to the proxy itself.
func route(proxy, authority string) outcome {
	return ask(
		"passthrough:///"+proxy,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority(authority),
		grpc.WithNoProxy(),
	)
}

// ask calls the health service once.
func ask(target string, options ...grpc.DialOption) outcome {
	connection, err := grpc.NewClient(target, options...)
	if err != nil {
		return outcome{Error: err.Error()}
	}
	defer connection.Close()
	within, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	client := grpc_health_v1.NewHealthClient(connection)
	answer, err := client.Check(within, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return outcome{Error: fmt.Sprintf("%s: %s", status.Code(err), err)}
	}
	return outcome{Status: 200, Body: answer.Status.String()}
}
