package node

import (
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"egret.dev/conformance/cluster/internal/addresses"
)

func TestRepository(t *testing.T) {
	for image, want := range map[string]string{
		"curlimages/curl:7.83.1":                "curlimages/curl",
		"docker.io/mccutchen/go-httpbin:v2.6.0": "mccutchen/go-httpbin",
		"docker.io/library/busybox":             "busybox",
		"registry:5000/a/b":                     "registry:5000/a/b",
		"ghcr.io/egret-proxy/egret@sha256:00":   "ghcr.io/egret-proxy/egret",
	} {
		if got := repository(image); got != want {
			t.Errorf("%s: got %s, want %s", image, got, want)
		}
	}
}

func TestImages(t *testing.T) {
	known := images{}
	for _, entry := range []string{"a/b=/bin/b", "tools="} {
		if err := known.Set(entry); err != nil {
			t.Fatal(err)
		}
	}
	if program, err := known.program("docker.io/a/b:v1"); err != nil || program != "/bin/b" {
		t.Errorf("got %q, %v", program, err)
	}
	if program, err := known.program("tools"); err != nil || program != "" {
		t.Errorf("got %q, %v", program, err)
	}
	if _, err := known.program("other"); err == nil {
		t.Error("an unknown image has a program")
	}
}

func TestIPPoolGivesAnAddressAgainAtLast(t *testing.T) {
	pool := newIPPool()
	first, _ := pool.take()
	second, _ := pool.take()
	if first != netip.MustParseAddr("10.244.0.2") || second != netip.MustParseAddr("10.244.0.3") {
		t.Fatalf("got %s and %s", first, second)
	}
	pool.release(first)
	if third, _ := pool.take(); third != netip.MustParseAddr("10.244.0.4") {
		t.Errorf("got %s", third)
	}
	pool.last = netip.MustParseAddr("10.244.255.254")
	if next, _ := pool.take(); next != first {
		t.Errorf("after the last address comes %s", next)
	}
	if pool.used[addresses.Pods.Addr()] {
		t.Error("the network's own address is given")
	}
}

func TestResourceOf(t *testing.T) {
	limited := &corev1.Container{Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("1500m"), corev1.ResourceMemory: resource.MustParse("64Mi"),
	}}}
	for _, c := range []struct {
		spec              *corev1.Container
		resource, divisor string
		want              string
	}{
		{limited, "limits.cpu", "0", "2"},
		{limited, "limits.cpu", "1m", "1500"},
		{limited, "limits.memory", "1Mi", "64"},
		{&corev1.Container{}, "limits.cpu", "0", "2"},
		{&corev1.Container{}, "limits.memory", "1Gi", "8"},
	} {
		got, err := resourceOf(c.spec, &corev1.ResourceFieldSelector{Resource: c.resource, Divisor: resource.MustParse(c.divisor)})
		if err != nil || got != c.want {
			t.Errorf("%s / %s: got %s, %v; want %s", c.resource, c.divisor, got, err, c.want)
		}
	}
}

func TestHostname(t *testing.T) {
	long := strings.Repeat("a", 62) + "-b"
	for pod, want := range map[string]string{"short": "short", long: strings.Repeat("a", 62)} {
		if got := hostname(pod); got != want {
			t.Errorf("%s: got %s, want %s", pod, got, want)
		}
	}
}
