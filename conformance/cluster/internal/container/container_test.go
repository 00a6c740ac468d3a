package container

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain also is the program that Start runs inside of the namespaces.
func TestMain(m *testing.M) {
	if os.Args[0] == InitName {
		if err := Init(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func run(t *testing.T, spec Spec) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("namespaces need root")
	}
	spec.Root, spec.NetworkNamespace, spec.Hostname = filepath.Join(t.TempDir(), "root"), "/proc/self/ns/net", "inside"
	spec.WorkingDir = "/"
	spec.Env = append(spec.Env, "PATH=/usr/bin:/bin")
	var output bytes.Buffer
	cmd, err := Start(spec, &output, &output)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return strings.TrimSpace(output.String())
}

func TestAContainerSeesWhatItIsGiven(t *testing.T) {
	volume := t.TempDir()
	if err := os.WriteFile(filepath.Join(volume, "key"), []byte("value"), 0o644); err != nil {
		t.Fatal(err)
	}
	got := run(t, Spec{
		Args:   []string{"sh", "-c", "hostname; cat /etc/own /made/up/key; echo; echo $GIVEN; ls /proc | grep -c '^[0-9]'; ls -d /root /work /home 2>/dev/null"},
		Files:  map[string]string{"/etc/own": "own\n"},
		Mounts: []Mount{{Source: volume, Target: "/made/up"}},
		Env:    []string{"GIVEN=given"},
	})
	// Its own processes only: the shell, and those of the pipe.
	if want := "inside\nown\nvalue\ngiven\n3"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAContainerHasOnlyTheRightsThatItIsGiven(t *testing.T) {
	got := run(t, Spec{
		Args: []string{"sh", "-c", "id -u; id -g; grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status | tr -s '\\t' ' '; touch /x 2>/dev/null || echo read-only"},
		User: 10101, Group: 10102, ReadOnlyRoot: true, NoNewPrivileges: true, Capabilities: []string{"NET_BIND_SERVICE"},
	})
	if want := "10101\n10102\nCapEff: 0000000000000000\nCapBnd: 0000000000000400\nNoNewPrivs: 1\nread-only"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAContainerOfUserZeroKeepsNamedCapabilities(t *testing.T) {
	got := run(t, Spec{Args: []string{"grep", "CapEff", "/proc/self/status"}, Capabilities: []string{"NET_BIND_SERVICE", "CHOWN"}})
	if want := "CapEff:\t0000000000000401"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatCannotBeRunIsSaid(t *testing.T) {
	if got := run(t, Spec{Args: []string{"/not/there"}}); !strings.Contains(got, "/not/there") {
		t.Errorf("got %q", got)
	}
}
