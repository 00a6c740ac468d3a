package names

import (
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
)

func ask(t *testing.T, s *server, name string, kind dnsmessage.Type) dnsmessage.Message {
	t.Helper()
	query := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{
		{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET},
	}}
	packed, err := query.Pack()
	if err != nil {
		t.Fatal(err)
	}
	packed, err = s.answer(packed)
	if err != nil {
		t.Fatal(err)
	}
	var reply dnsmessage.Message
	if err := reply.Unpack(packed); err != nil {
		t.Fatal(err)
	}
	return reply
}

func TestAnswer(t *testing.T) {
	services := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	slices := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	s := &server{
		internet: Table{"httpbin.org": netip.MustParseAddr("44.192.0.1")},
		services: corelisters.NewServiceLister(services), slices: discoverylisters.NewEndpointSliceLister(slices),
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "s"}, Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.9"}}
	if err := services.Add(service); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		kind dnsmessage.Type
		code dnsmessage.RCode
		want string
	}{
		{"HTTPbin.org.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "44.192.0.1"},
		{"httpbin.org.", dnsmessage.TypeAAAA, dnsmessage.RCodeSuccess, ""},
		{"httpbin.org.n.svc.cluster.local.", dnsmessage.TypeA, dnsmessage.RCodeNameError, ""},
		{"s.n.svc.cluster.local.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "10.96.0.9"},
		{"other.n.svc.cluster.local.", dnsmessage.TypeA, dnsmessage.RCodeNameError, ""},
		{"example.com.", dnsmessage.TypeA, dnsmessage.RCodeNameError, ""},
	} {
		reply := ask(t, s, c.name, c.kind)
		got := ""
		for _, answer := range reply.Answers {
			got = netip.AddrFrom4(answer.Body.(*dnsmessage.AResource).A).String()
		}
		if reply.ID != 7 || reply.RCode != c.code || got != c.want {
			t.Errorf("%s %s: got %s %q, want %s %q", c.name, c.kind, reply.RCode, got, c.code, c.want)
		}
	}
}
