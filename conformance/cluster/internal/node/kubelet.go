package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/cert"
	"k8s.io/cri-streaming/pkg/streaming"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	conversions "k8s.io/kubernetes/pkg/apis/core/v1"
	utilexec "k8s.io/utils/exec"

	"egret.dev/conformance/cluster/internal/addresses"
)

// listenForAPIServer serves the part of a kubelet's API through which the API server asks for logs and streams. The
// certificate is the node's own, as kubelets' are by default, and the API server takes any.
func (n *node) listenForAPIServer() (*http.Server, error) {
	certificate, key, err := cert.GenerateSelfSignedCertKey(addresses.Node.String(), nil, nil)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", n.containerLogs)
	for _, method := range []string{"GET", "POST"} {
		mux.HandleFunc(method+" /portForward/{namespace}/{pod}", n.portForward)
		mux.HandleFunc(method+" /exec/{namespace}/{pod}/{container}", n.exec)
	}
	// The streaming protocols are upgrades of HTTP/1.1 connections.
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}
	listener, err := tls.Listen("tcp", net.JoinHostPort(addresses.Node.String(), fmt.Sprint(kubeletPort)), config)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Printf("serve the API server: %v", err)
		}
	}()
	return server, nil
}

// asked gives the container that a request names.
func (n *node) asked(w http.ResponseWriter, r *http.Request) *running {
	p, err := n.find(r.PathValue("namespace"), r.PathValue("pod"))
	if err == nil {
		for _, c := range p.containers {
			if c.spec.Name == r.PathValue("container") {
				return c
			}
		}
		err = errors.New("the pod has no such container")
	}
	http.Error(w, err.Error(), http.StatusNotFound)
	return nil
}

func (n *node) containerLogs(w http.ResponseWriter, r *http.Request) {
	c := n.asked(w, r)
	if c == nil {
		return
	}
	options := &corev1.PodLogOptions{}
	query := r.URL.Query()
	if err := conversions.Convert_url_Values_To_v1_PodLogOptions(&query, options, nil); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := c.sendLogs(r.Context(), w, options); err != nil && r.Context().Err() == nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (n *node) portForward(w http.ResponseWriter, r *http.Request) {
	p, err := n.find(r.PathValue("namespace"), r.PathValue("pod"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	config := streaming.DefaultConfig
	portforward.ServePortForward(w, r, forwarder{p}, p.object.Name, string(p.object.UID), options,
		config.StreamIdleTimeout, config.StreamCreationTimeout, config.SupportedPortForwardProtocols)
}

// forwarder connects streams to ports of a pod, where it listens: also on its loopback addresses.
type forwarder struct{ pod *pod }

func (f forwarder) PortForward(ctx context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	defer func() { _ = stream.Close() }()
	conn, err := f.pod.network.dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return fmt.Errorf("connect to port %d of the pod: %w", port, err)
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	go func() {
		_, _ = io.Copy(conn, stream)
		if half, ok := conn.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
	}()
	_, err = io.Copy(stream, conn)
	return err
}

func (n *node) exec(w http.ResponseWriter, r *http.Request) {
	c := n.asked(w, r)
	if c == nil {
		return
	}
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	config := streaming.DefaultConfig
	remotecommand.ServeExec(w, r, executor{c}, c.pod.object.Name, string(c.pod.object.UID), c.spec.Name,
		r.URL.Query()["command"], options, config.StreamIdleTimeout, config.StreamCreationTimeout, config.SupportedRemoteCommandProtocols)
}

type executor struct{ container *running }

// ExecInContainer runs a command without a terminal; a client that asks for one gets plain streams.
func (e executor) ExecInContainer(ctx context.Context, _, _, _ string, args []string, in io.Reader, out, err io.WriteCloser,
	_ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration) error {
	stderr := io.Writer(io.Discard)
	if err != nil {
		stderr = err
	}
	stdout := io.Writer(io.Discard)
	if out != nil {
		stdout = out
	}
	failure := e.container.exec(ctx, args, in, stdout, stderr)
	var ended *exec.ExitError
	if errors.As(failure, &ended) {
		return utilexec.CodeExitError{Err: fmt.Errorf("%s: %w", strings.Join(args, " "), failure), Code: ended.ExitCode()}
	}
	return failure
}
