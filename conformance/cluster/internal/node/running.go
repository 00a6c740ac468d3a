package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	httpprobe "k8s.io/kubernetes/pkg/probe/http"

	"egret.dev/conformance/cluster/internal/container"
)

// A container that ends is started again at once, and then after these times.
const (
	firstBackOff = time.Second
	lastBackOff  = 30 * time.Second
)

// running is one container of a pod, over all of its starts.
type running struct {
	pod  *pod
	spec *corev1.Container

	mu       sync.Mutex
	state    corev1.ContainerState
	last     corev1.ContainerState
	restarts int32
	started  bool
	ready    bool
	process  process
}

// process is what is known of the container's present process, for those who enter it.
type process struct {
	pid   int
	user  int
	group int
	env   []string
}

func newRunning(p *pod, spec *corev1.Container) *running {
	return &running{pod: p, spec: spec, state: waiting("ContainerCreating", "")}
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

// update changes what is known of the container and has it reported.
func (c *running) update(change func()) {
	c.mu.Lock()
	change()
	c.mu.Unlock()
	c.pod.status.changed()
}

// run starts the container as often as it ends, until living is done.
func (c *running) run(living context.Context) {
	delay := time.Duration(0)
	for {
		began := time.Now()
		code, err := c.once(living)
		if living.Err() != nil && (err == nil || c.pod.ending()) {
			return
		}
		if err != nil {
			c.update(func() { c.state = waiting("CreateContainerError", err.Error()) })
		} else if policy := c.pod.object.Spec.RestartPolicy; policy == corev1.RestartPolicyNever || policy == corev1.RestartPolicyOnFailure && code == 0 {
			return
		}
		if time.Since(began) > lastBackOff {
			delay = 0
		}
		if delay > 0 && err == nil {
			c.update(func() { c.last, c.state = c.state, waiting("CrashLoopBackOff", fmt.Sprintf("back-off %s", delay)) })
		}
		pause(living, delay)
		if living.Err() != nil {
			return
		}
		delay = min(max(2*delay, firstBackOff), lastBackOff)
		if err == nil {
			c.update(func() {
				if c.state.Terminated != nil {
					c.last = c.state
				}
				c.restarts++
			})
		}
	}
}

// once runs the container from one start to its end. The error says why it could not be started.
func (c *running) once(living context.Context) (int, error) {
	spec, err := c.containerSpec(living)
	if err != nil {
		return 0, err
	}
	output, err := c.openLog()
	if err != nil {
		return 0, err
	}
	defer func() { _ = output.Close() }()
	cmd, err := container.Start(spec, output.stream("stdout"), output.stream("stderr"))
	if err != nil {
		return 0, err
	}
	began := metav1.Now()
	c.update(func() {
		c.process = process{pid: cmd.Process.Pid, user: spec.User, group: spec.Group, env: spec.Env}
		c.state = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: began}}
		c.started = c.spec.StartupProbe == nil
		c.ready = c.started && c.spec.ReadinessProbe == nil
	})
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	probing, stop := context.WithCancel(context.Background())
	defer stop()
	unhealthy := c.startProbes(probing, living)
	select {
	case <-exited:
	case <-living.Done():
		c.terminate(cmd, exited, c.pod.killed)
	case <-unhealthy:
		overdue, done := context.WithTimeout(context.Background(), gracePeriod(c.pod.object))
		c.terminate(cmd, exited, overdue.Done())
		done()
	}
	stop()
	code, reason := exitCode(cmd)
	c.update(func() {
		c.process, c.started, c.ready = process{}, false, false
		c.state = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: int32(code), Reason: reason, StartedAt: began, FinishedAt: metav1.Now(),
		}}
	})
	return code, nil
}

func exitCode(cmd *exec.Cmd) (int, string) {
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled():
		return 128 + int(status.Signal()), "Error"
	case status.ExitStatus() != 0:
		return status.ExitStatus(), "Error"
	}
	return 0, "Completed"
}

// terminate is the order of a pod's end: the hook, the signal, and, when the time is over, the end without asking.
func (c *running) terminate(cmd *exec.Cmd, exited <-chan struct{}, overdue <-chan struct{}) {
	if c.spec.Lifecycle != nil && c.spec.Lifecycle.PreStop != nil {
		hook, done := context.WithCancel(context.Background())
		go func() {
			select {
			case <-overdue:
			case <-exited:
			case <-hook.Done():
			}
			done()
		}()
		c.preStop(hook, c.spec.Lifecycle.PreStop)
		done()
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-exited:
	case <-overdue:
		_ = cmd.Process.Kill()
		<-exited
	}
}

func (c *running) preStop(ctx context.Context, hook *corev1.LifecycleHandler) {
	switch {
	case hook.Sleep != nil:
		pause(ctx, time.Duration(hook.Sleep.Seconds)*time.Second)
	case hook.HTTPGet != nil:
		request, err := httpprobe.NewRequestForHTTPGetAction(hook.HTTPGet, c.spec, c.pod.address.String(), "lifecycle")
		if err != nil {
			return
		}
		if response, err := http.DefaultClient.Do(request.WithContext(ctx)); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
	case hook.Exec != nil:
		_ = c.exec(ctx, hook.Exec.Command, nil, io.Discard, io.Discard)
	}
}

var errNotRunning = errors.New("the container does not run")

// exec runs a command inside of the container.
func (c *running) exec(ctx context.Context, args []string, in io.Reader, out, err io.Writer) error {
	c.mu.Lock()
	now := c.process
	c.mu.Unlock()
	if now.pid == 0 {
		return errNotRunning
	}
	cmd := container.Enter(now.pid, now.user, now.group, now.env, args)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, err
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	return cmd.Wait()
}

func (c *running) containerSpec(ctx context.Context) (container.Spec, error) {
	p, object := c.pod, c.pod.object
	program, err := p.node.images.program(c.spec.Image)
	if err != nil {
		return container.Spec{}, err
	}
	env, err := p.node.environment(ctx, object, c.spec, p.address)
	if err != nil {
		return container.Spec{}, err
	}
	spec := container.Spec{
		Root:             filepath.Join(p.dir, "roots", c.spec.Name),
		NetworkNamespace: p.network.path(),
		Hostname:         hostname(object.Name),
		Files:            etc(object, p.address),
		Env:              env.entries(),
		WorkingDir:       "/",
		Sysctls:          map[string]string{},
	}
	if c.spec.WorkingDir != "" {
		spec.WorkingDir = c.spec.WorkingDir
	}
	for _, arg := range c.spec.Command {
		spec.Args = append(spec.Args, env.expand(arg))
	}
	if program != "" {
		inside := "/" + filepath.Base(program)
		spec.Mounts = append(spec.Mounts, container.Mount{Source: program, Target: inside, ReadOnly: true})
		if len(spec.Args) == 0 {
			spec.Args = []string{inside}
		}
	}
	if len(spec.Args) == 0 {
		return spec, errors.New("neither the image nor the pod says what to run")
	}
	for _, arg := range c.spec.Args {
		spec.Args = append(spec.Args, env.expand(arg))
	}
	for _, mount := range c.spec.VolumeMounts {
		spec.Mounts = append(spec.Mounts, container.Mount{
			Source: filepath.Join(p.volumes.path(mount.Name), mount.SubPath), Target: mount.MountPath, ReadOnly: mount.ReadOnly,
		})
	}
	return spec, c.security(&spec)
}

// security takes over what the pod and the container say of users and rights; the container has the last word.
func (c *running) security(spec *container.Spec) error {
	capabilities := &corev1.Capabilities{}
	if general := c.pod.object.Spec.SecurityContext; general != nil {
		override(&spec.User, general.RunAsUser)
		override(&spec.Group, general.RunAsGroup)
		for _, group := range general.SupplementalGroups {
			spec.Groups = append(spec.Groups, int(group))
		}
		if general.FSGroup != nil {
			spec.Groups = append(spec.Groups, int(*general.FSGroup))
		}
		for _, sysctl := range general.Sysctls {
			if !strings.HasPrefix(sysctl.Name, "net.") {
				return fmt.Errorf("%w: the sysctl %s", errUnsupported, sysctl.Name)
			}
			spec.Sysctls[sysctl.Name] = sysctl.Value
		}
	}
	nonRoot := c.pod.object.Spec.SecurityContext != nil && isTrue(c.pod.object.Spec.SecurityContext.RunAsNonRoot)
	if own := c.spec.SecurityContext; own != nil {
		override(&spec.User, own.RunAsUser)
		override(&spec.Group, own.RunAsGroup)
		spec.ReadOnlyRoot = isTrue(own.ReadOnlyRootFilesystem)
		spec.NoNewPrivileges = own.AllowPrivilegeEscalation != nil && !*own.AllowPrivilegeEscalation
		if own.RunAsNonRoot != nil {
			nonRoot = *own.RunAsNonRoot
		}
		if own.Capabilities != nil {
			capabilities = own.Capabilities
		}
	}
	if nonRoot && spec.User == 0 {
		return errors.New("container has runAsNonRoot and image will run as root")
	}
	var err error
	spec.Capabilities, err = container.Capabilities(words(capabilities.Add), words(capabilities.Drop))
	return err
}

func words(list []corev1.Capability) []string {
	var texts []string
	for _, word := range list {
		texts = append(texts, string(word))
	}
	return texts
}

func override(value *int, by *int64) {
	if by != nil {
		*value = int(*by)
	}
}

func isTrue(b *bool) bool { return b != nil && *b }
