package node

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/fieldpath"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"

	"egret.dev/conformance/cluster/internal/addresses"
)

// environment is a container's: what the pod says, over what every container has.
type environment struct {
	order  []string
	values map[string]string
}

func (e *environment) set(name, value string) {
	if _, known := e.values[name]; !known {
		e.order = append(e.order, name)
	}
	e.values[name] = value
}

func (e *environment) entries() []string {
	entries := make([]string, 0, len(e.order))
	for _, name := range e.order {
		entries = append(entries, name+"="+e.values[name])
	}
	return entries
}

// expand replaces $(NAME), as args, command and the values of env may hold.
func (e *environment) expand(text string) string {
	return expansion.Expand(text, expansion.MappingFuncFor(e.values))
}

func (n *node) environment(ctx context.Context, object *corev1.Pod, spec *corev1.Container, address netip.Addr) (*environment, error) {
	env := &environment{values: map[string]string{}}
	env.set("PATH", "/:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	env.set("HOSTNAME", hostname(object.Name))
	api := addresses.ClusterIPs.Addr().Next().String()
	env.set("KUBERNETES_SERVICE_HOST", api)
	env.set("KUBERNETES_SERVICE_PORT", "443")
	env.set("KUBERNETES_SERVICE_PORT_HTTPS", "443")
	env.set("KUBERNETES_PORT", "tcp://"+api+":443")
	for _, from := range spec.EnvFrom {
		if err := n.environmentFrom(ctx, object, from, env); err != nil {
			return nil, err
		}
	}
	for _, entry := range spec.Env {
		value := env.expand(entry.Value)
		if entry.ValueFrom != nil {
			found, ok, err := n.valueFrom(ctx, object, spec, entry.ValueFrom, address)
			if err != nil {
				return nil, fmt.Errorf("env %s: %w", entry.Name, err)
			}
			if !ok {
				continue
			}
			value = found
		}
		env.set(entry.Name, value)
	}
	return env, nil
}

func (n *node) environmentFrom(ctx context.Context, object *corev1.Pod, from corev1.EnvFromSource, env *environment) error {
	v := volumes{kube: n.kube, object: object}
	var all files
	var err error
	switch {
	case from.ConfigMapRef != nil:
		all, err = v.configMap(ctx, from.ConfigMapRef.Name, nil, nil, from.ConfigMapRef.Optional)
	case from.SecretRef != nil:
		all, err = v.secret(ctx, from.SecretRef.Name, nil, nil, from.SecretRef.Optional)
	}
	for name, file := range all {
		env.set(from.Prefix+name, string(file.Data))
	}
	return err
}

// valueFrom gives the value that an entry of env refers to, and false where there is none and need not be.
func (n *node) valueFrom(ctx context.Context, object *corev1.Pod, spec *corev1.Container, from *corev1.EnvVarSource, address netip.Addr) (string, bool, error) {
	switch {
	case from.FieldRef != nil:
		text, err := field(object, from.FieldRef.FieldPath, address)
		return text, true, err
	case from.ResourceFieldRef != nil:
		text, err := resourceOf(spec, from.ResourceFieldRef)
		return text, true, err
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		found, err := n.kube.CoreV1().ConfigMaps(object.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			return "", false, unlessOptional(err, ref.Optional)
		}
		text, ok := found.Data[ref.Key]
		return keyed(text, ok, ref.Key, ref.Optional)
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		found, err := n.kube.CoreV1().Secrets(object.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			return "", false, unlessOptional(err, ref.Optional)
		}
		content, ok := found.Data[ref.Key]
		return keyed(string(content), ok, ref.Key, ref.Optional)
	}
	return "", false, fmt.Errorf("%w: this kind of valueFrom", errUnsupported)
}

func keyed(text string, ok bool, key string, optional *bool) (string, bool, error) {
	if !ok && (optional == nil || !*optional) {
		return "", false, fmt.Errorf("there is no key %s", key)
	}
	return text, ok, nil
}

// field is what a fieldRef shows. What is not of the metadata is known only to the node that runs the pod.
func field(object *corev1.Pod, path string, address netip.Addr) (string, error) {
	switch path {
	case "spec.nodeName":
		return object.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return object.Spec.ServiceAccountName, nil
	case "status.hostIP", "status.hostIPs":
		return addresses.Node.String(), nil
	case "status.podIP", "status.podIPs":
		return address.String(), nil
	}
	return fieldpath.ExtractFieldPathAsString(object, path)
}

// resourceOf is a request or a limit in whole units of the divisor, rounded up. What is not limited is 2 CPUs and 8 GiB.
func resourceOf(spec *corev1.Container, ref *corev1.ResourceFieldSelector) (string, error) {
	kind, name, _ := strings.Cut(ref.Resource, ".")
	list := spec.Resources.Limits
	if kind == "requests" {
		list = spec.Resources.Requests
	}
	quantity, given := list[corev1.ResourceName(name)]
	milli := quantity.MilliValue()
	if !given {
		switch corev1.ResourceName(name) {
		case corev1.ResourceCPU:
			milli = 2 * 1000
		case corev1.ResourceMemory:
			milli = 8 << 30 * 1000
		default:
			return "", fmt.Errorf("%w: %s", errUnsupported, ref.Resource)
		}
	}
	divisor := ref.Divisor.MilliValue()
	if divisor == 0 {
		divisor = 1000
	}
	return strconv.FormatInt((milli+divisor-1)/divisor, 10), nil
}
