package container

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Init reads a Spec from the first inherited file, makes what it says true of this process, and becomes the program.
// Namespaces and credentials belong to a thread, so that all of it happens on one that nothing else uses.
func Init() error {
	runtime.LockOSThread()
	var spec Spec
	from := os.NewFile(3, "spec")
	if err := json.NewDecoder(from).Decode(&spec); err != nil {
		return fmt.Errorf("read what to run: %w", err)
	}
	_ = from.Close()
	for _, step := range []func(Spec) error{enterNetwork, makeRoot, setSysctls, changeRoot, dropRights} {
		if err := step(spec); err != nil {
			return err
		}
	}
	return become(spec)
}

func enterNetwork(spec Spec) error {
	if err := unix.Sethostname([]byte(spec.Hostname)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	namespace, err := os.Open(spec.NetworkNamespace)
	if err != nil {
		return err
	}
	defer func() { _ = namespace.Close() }()
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter %s: %w", spec.NetworkNamespace, err)
	}
	return nil
}

// setSysctls writes through the container's own /proc, which shows its own network.
func setSysctls(spec Spec) error {
	for name, value := range spec.Sysctls {
		path := filepath.Join(spec.Root, "proc/sys", strings.ReplaceAll(name, ".", "/"))
		if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

func dropRights(spec Spec) error {
	if err := limitCapabilities(spec.Capabilities); err != nil {
		return err
	}
	if err := unix.Setgroups(append([]int{}, spec.Groups...)); err != nil {
		return fmt.Errorf("set the groups: %w", err)
	}
	if err := unix.Setresgid(spec.Group, spec.Group, spec.Group); err != nil {
		return fmt.Errorf("become group %d: %w", spec.Group, err)
	}
	if err := unix.Setresuid(spec.User, spec.User, spec.User); err != nil {
		return fmt.Errorf("become user %d: %w", spec.User, err)
	}
	if spec.NoNewPrivileges {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("set no_new_privs: %w", err)
		}
	}
	return nil
}

func become(spec Spec) error {
	if err := os.Chdir(spec.WorkingDir); err != nil {
		return err
	}
	for _, entry := range spec.Env {
		name, value, _ := strings.Cut(entry, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	program, err := exec.LookPath(spec.Args[0])
	if err != nil {
		return err
	}
	if err := syscall.Exec(program, spec.Args, spec.Env); err != nil {
		return fmt.Errorf("run %s: %w", program, err)
	}
	return nil
}
