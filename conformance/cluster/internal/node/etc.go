package node

import (
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"egret.dev/conformance/cluster/internal/addresses"
	"egret.dev/conformance/cluster/internal/names"
)

// hostname is a pod's name as far as the kernel takes one.
func hostname(pod string) string {
	return strings.TrimRight(pod[:min(len(pod), 63)], "-.")
}

// etc gives the files that a kubelet writes into every container, and those of which no image does without.
func etc(object *corev1.Pod, address netip.Addr) map[string]string {
	hosts := "127.0.0.1\tlocalhost\n::1\tlocalhost\n" + fmt.Sprintf("%s\t%s\n", address, hostname(object.Name))
	for _, alias := range object.Spec.HostAliases {
		hosts += alias.IP + "\t" + strings.Join(alias.Hostnames, "\t") + "\n"
	}
	return map[string]string{
		"/etc/hosts":         hosts,
		"/etc/hostname":      hostname(object.Name) + "\n",
		"/etc/resolv.conf":   resolvConf(object),
		"/etc/passwd":        "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
		"/etc/group":         "root:x:0:\nnogroup:x:65534:\n",
		"/etc/nsswitch.conf": "hosts: files dns\n",
	}
}

func resolvConf(object *corev1.Pod) string {
	servers, search, options := []string{}, []string{}, []string{}
	if object.Spec.DNSPolicy != corev1.DNSNone {
		servers = append(servers, addresses.DNS.String())
		search = append(search, object.Namespace+".svc."+names.Domain, "svc."+names.Domain, names.Domain)
		options = append(options, "ndots:5")
	}
	if own := object.Spec.DNSConfig; own != nil {
		servers, search = append(servers, own.Nameservers...), append(search, own.Searches...)
		for _, option := range own.Options {
			if option.Value != nil {
				options = append(options, option.Name+":"+*option.Value)
			} else {
				options = append(options, option.Name)
			}
		}
	}
	text := ""
	for _, server := range servers {
		text += "nameserver " + server + "\n"
	}
	for name, words := range map[string][]string{"search": search, "options": options} {
		if len(words) > 0 {
			text += name + " " + strings.Join(words, " ") + "\n"
		}
	}
	return text
}
