package main

import (
	"io"
	"net"
	"net/http"
	"time"
)

// page listens where egret.yaml leads to, and answers requests that have come whole. h2spec breaks the protocol behind the
// head of a request, and looks at what comes of that: an answer must not be faster than what it sends next.
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
