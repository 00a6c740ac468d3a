package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-client/pkg/logs"
)

// logFile holds one start's output in the format of the container runtime interface. It outlives the pod.
type logFile struct {
	mu      sync.Mutex
	file    *os.File
	streams []*logStream
}

// logStream is one of the two outputs; it holds back a line that is not complete.
type logStream struct {
	log  *logFile
	name string
	rest []byte
}

func (c *running) logPath(restart int32) string {
	object := c.pod.object
	return filepath.Join(c.pod.node.dir, "logs", fmt.Sprintf("%s_%s_%s", object.Namespace, object.Name, object.UID[:8]),
		fmt.Sprintf("%s-%d.log", c.spec.Name, restart))
}

func (c *running) openLog() (*logFile, error) {
	c.mu.Lock()
	path := c.logPath(c.restarts)
	c.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	return &logFile{file: file}, err
}

func (l *logFile) stream(name string) io.Writer {
	s := &logStream{log: l, name: name}
	l.streams = append(l.streams, s)
	return s
}

func (s *logStream) Write(output []byte) (int, error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.rest = append(s.rest, output...)
	var lines bytes.Buffer
	for {
		end := bytes.IndexByte(s.rest, '\n')
		if end < 0 {
			break
		}
		s.line(&lines, s.rest[:end])
		s.rest = s.rest[end+1:]
	}
	if _, err := s.log.file.Write(lines.Bytes()); err != nil {
		return 0, err
	}
	return len(output), nil
}

func (s *logStream) line(into *bytes.Buffer, line []byte) {
	fmt.Fprintf(into, "%s %s F %s\n", time.Now().UTC().Format(time.RFC3339Nano), s.name, line)
}

// Close writes what was not ended by a line break.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.streams {
		if len(s.rest) > 0 {
			var last bytes.Buffer
			s.line(&last, s.rest)
			_, _ = l.file.Write(last.Bytes())
		}
	}
	return l.file.Close()
}

// sendLogs answers `kubectl logs` by the library that kubelets use.
func (c *running) sendLogs(ctx context.Context, w http.ResponseWriter, asked *corev1.PodLogOptions) error {
	c.mu.Lock()
	restart := c.restarts
	c.mu.Unlock()
	if asked.Previous {
		restart--
	}
	options := &logs.LogOptions{
		TailLines: asked.TailLines, LimitBytes: asked.LimitBytes, Follow: asked.Follow, Timestamp: asked.Timestamps,
	}
	if asked.SinceTime != nil {
		options.Since = asked.SinceTime.Time
	}
	if asked.SinceSeconds != nil {
		options.Since = time.Now().Add(-time.Duration(*asked.SinceSeconds) * time.Second)
	}
	to := flushing{w}
	return logs.ReadLogs(ctx, c.logPath(restart), c.id(), options, runtimeOf{container: c}, to, to)
}

// flushing sends each line at once, for those who follow.
type flushing struct{ http.ResponseWriter }

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	if flusher, ok := f.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
	return n, err
}

// runtimeOf tells the library whether the container whose log is followed still runs: all that it asks a runtime.
type runtimeOf struct {
	internalapi.RuntimeService
	container *running
}

func (r runtimeOf) ContainerStatus(context.Context, string, bool) (*runtimeapi.ContainerStatusResponse, error) {
	state := runtimeapi.ContainerState_CONTAINER_EXITED
	r.container.mu.Lock()
	defer r.container.mu.Unlock()
	if r.container.process.pid != 0 {
		state = runtimeapi.ContainerState_CONTAINER_RUNNING
	}
	return &runtimeapi.ContainerStatusResponse{Status: &runtimeapi.ContainerStatus{State: state}}, nil
}
