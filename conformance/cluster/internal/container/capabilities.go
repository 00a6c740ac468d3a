package container

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// DefaultCapabilities are those that container runtimes leave to a container that asks for nothing.
var DefaultCapabilities = []string{
	"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
	"NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP",
}

// capabilityNumbers are the kernel's numbers of the capabilities that a pod may name.
var capabilityNumbers = map[string]uintptr{
	"CHOWN": unix.CAP_CHOWN, "DAC_OVERRIDE": unix.CAP_DAC_OVERRIDE, "FOWNER": unix.CAP_FOWNER, "FSETID": unix.CAP_FSETID,
	"KILL": unix.CAP_KILL, "SETGID": unix.CAP_SETGID, "SETUID": unix.CAP_SETUID, "SETPCAP": unix.CAP_SETPCAP,
	"NET_BIND_SERVICE": unix.CAP_NET_BIND_SERVICE, "NET_RAW": unix.CAP_NET_RAW, "NET_ADMIN": unix.CAP_NET_ADMIN,
	"SYS_CHROOT": unix.CAP_SYS_CHROOT, "MKNOD": unix.CAP_MKNOD, "AUDIT_WRITE": unix.CAP_AUDIT_WRITE,
	"SETFCAP": unix.CAP_SETFCAP, "SYS_PTRACE": unix.CAP_SYS_PTRACE,
}

// Capabilities are the defaults without those that are dropped and with those that are added; "ALL" drops every one.
func Capabilities(add, drop []string) ([]string, error) {
	kept := []string{}
	for _, name := range DefaultCapabilities {
		if !slices.Contains(drop, name) && !slices.Contains(drop, "ALL") {
			kept = append(kept, name)
		}
	}
	for _, name := range add {
		if _, known := capabilityNumbers[name]; !known {
			return nil, fmt.Errorf("the rig does not know the capability %s", name)
		}
		if !slices.Contains(kept, name) {
			kept = append(kept, name)
		}
	}
	return kept, nil
}

// limitCapabilities takes all others out of the bounding set, so that the program cannot have them whoever it runs as.
func limitCapabilities(keep []string) error {
	kept := map[uintptr]bool{}
	for _, name := range keep {
		kept[capabilityNumbers[name]] = true
	}
	for number := uintptr(0); ; number++ {
		if kept[number] {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, number, 0, 0, 0); errors.Is(err, unix.EINVAL) {
			return nil // There are no more.
		} else if err != nil {
			return fmt.Errorf("drop capability %d: %w", number, err)
		}
	}
}
