// Package container runs a program as a container runtime would: in namespaces of its own, with a root of its own, as the
// user and with the capabilities that it was given. There are no images: the root is made of the machine's own programs
// and libraries, read-only, and of the one program that the image stands for.
package container

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// InitName is the name under which this program prepares a container from the inside and then becomes its program.
const InitName = "rig-init"

// Mount is a file or a folder of the machine that the container sees at a path of its own.
type Mount struct {
	Source   string
	Target   string
	ReadOnly bool
}

// Spec says what is run and what it sees.
type Spec struct {
	// Root is an empty folder on which the container's root is mounted.
	Root string
	// NetworkNamespace is the file that holds the namespace open; the pod's containers share it.
	NetworkNamespace string
	Hostname         string
	// Files are small files of the root, such as /etc/resolv.conf, with their contents.
	Files  map[string]string
	Mounts []Mount
	// Sysctls are set in the container's namespaces; only those of the network are the pod's own.
	Sysctls map[string]string

	Args       []string
	Env        []string
	WorkingDir string

	User         int
	Group        int
	Groups       []int
	ReadOnlyRoot bool
	// NoNewPrivileges keeps programs that the container starts from gaining rights that it has not.
	NoNewPrivileges bool
	// Capabilities are those that a container of user 0 keeps. Other users have none.
	Capabilities []string
}

// Start runs the container. The process that it gives back is the first one of the container's own process namespace, so
// that its end is the end of all others in it.
func Start(spec Spec, stdout, stderr io.Writer) (*exec.Cmd, error) {
	if err := os.MkdirAll(spec.Root, 0o755); err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close(); _ = w.Close() }()

	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{InitName}
	cmd.Env = []string{}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.ExtraFiles = []*os.File{r}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Setsid:     true,
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a container: %w", err)
	}
	if _, err := w.Write(encoded); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, fmt.Errorf("tell a container what to run: %w", err)
	}
	return cmd, nil
}

// Enter makes a command that runs inside of a running container.
func Enter(pid, user, group int, env, args []string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{
		"--target", fmt.Sprint(pid), "--mount", "--net", "--pid", "--uts", "--ipc", "--root", "--wd",
		"--setuid", fmt.Sprint(user), "--setgid", fmt.Sprint(group), "--",
	}, args...)...)
	// nsenter itself is looked for where this process looks, the command in the container's own PATH.
	cmd.Env = env
	return cmd
}
