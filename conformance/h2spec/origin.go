package main

import (
	"io"
	"net"
	"net/http"
	"time"
)

// page listens at the upstream address of egret.yaml, and answers requests whose bodies have ended. h2spec violates the
// protocol after the head of a request, and a response must not arrive before the violation.
func page() (func(), error) {
	listener, err := net.Listen("tcp", host+":18082")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: http.HandlerFunc(answer)}
	go server.Serve(listener)
	return func() { server.Close() }, nil
}

func answer(response http.ResponseWriter, request *http.Request) {
	if _, err := io.Copy(io.Discard, request.Body); err != nil {
		return
	}
	time.Sleep(100 * time.Millisecond)
	io.WriteString(response, "hello, world\n")
}
