package control

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// endsWithin is the time that a process has to end in good order.
const endsWithin = 10 * time.Second

// process is one of the cluster's. Its output goes to a file of its name.
type process struct {
	cmd  *exec.Cmd
	gone chan struct{}
	// expected is true when the process has been told to end.
	expected atomic.Bool
}

// start runs a program of the cluster. One that cannot be started counts as one that ended.
func (c *cluster) start(name string, args ...string) *process {
	p := &process{gone: make(chan struct{})}
	c.running[name] = p
	output, err := os.OpenFile(c.path(name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil {
		p.cmd = exec.Command(filepath.Join(c.bin, name), args...)
		p.cmd.Dir = c.dir
		p.cmd.Stdout, p.cmd.Stderr = output, output
		// Linux shares the CPU out by session: on a busy machine, one for all of them would starve the API server.
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		err = p.cmd.Start()
		_ = output.Close()
	}
	if err != nil {
		close(p.gone)
		c.failed <- fmt.Errorf("start %s: %w", name, err)
		return p
	}
	go func() {
		err := p.cmd.Wait()
		close(p.gone)
		if !p.expected.Load() {
			c.failed <- fmt.Errorf("%s has ended (%v): %s says why", name, err, c.path(name+".log"))
		}
	}()
	return p
}

func (p *process) ended() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

func (p *process) kill() {
	if p.ended() {
		return
	}
	p.expected.Store(true)
	_ = p.cmd.Process.Kill()
	<-p.gone
}

func (p *process) stop() {
	if p.ended() {
		return
	}
	p.expected.Store(true)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.gone:
	case <-time.After(endsWithin):
		p.kill()
	}
}
