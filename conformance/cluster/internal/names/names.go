// Package names is the cluster's DNS server: it knows the Services, and the names of an internet that is made up.
package names

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"

	"egret.dev/conformance/cluster/internal/addresses"
)

// Domain is the one under which the cluster's names are.
const Domain = "cluster.local"

// Table holds the names of the internet, lower-case and without the last dot.
type Table map[string]netip.Addr

func (t Table) String() string { return "" }

// Set takes NAME=ADDRESS.
func (t Table) Set(entry string) error {
	name, text, _ := strings.Cut(entry, "=")
	address, err := netip.ParseAddr(text)
	if err != nil || name == "" {
		return fmt.Errorf("%q is not NAME=ADDRESS", entry)
	}
	t[strings.ToLower(name)] = address
	return nil
}

type server struct {
	internet Table
	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
}

// Run answers until ctx is done. The caller starts the informers afterwards.
func Run(ctx context.Context, factory informers.SharedInformerFactory, internet Table) error {
	s := &server{
		internet: internet,
		services: factory.Core().V1().Services().Lister(),
		slices:   factory.Discovery().V1().EndpointSlices().Lister(),
	}
	at := net.JoinHostPort(addresses.DNS.String(), "53")
	datagrams, err := net.ListenPacket("udp4", at)
	if err != nil {
		return err
	}
	streams, err := net.Listen("tcp4", at)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = datagrams.Close(); _ = streams.Close() })
	go s.serveDatagrams(datagrams)
	go s.serveStreams(streams)
	return nil
}

func (s *server) serveDatagrams(conn net.PacketConn) {
	buffer := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if answer, err := s.answer(buffer[:n]); err == nil {
			_, _ = conn.WriteTo(answer, from)
		}
	}
}

func (s *server) serveStreams(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			for {
				var length [2]byte
				if _, err := io.ReadFull(conn, length[:]); err != nil {
					return
				}
				query := make([]byte, int(length[0])<<8|int(length[1]))
				if _, err := io.ReadFull(conn, query); err != nil {
					return
				}
				answer, err := s.answer(query)
				if err != nil {
					return
				}
				if _, err := conn.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...)); err != nil {
					return
				}
			}
		}()
	}
}

// answer makes the answer to one query.
func (s *server) answer(query []byte) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil {
		return nil, err
	}
	question, err := parser.Question()
	if err != nil {
		return nil, err
	}
	found, exists := s.resolve(strings.ToLower(strings.TrimSuffix(question.Name.String(), ".")))
	reply := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true,
		},
		Questions: []dnsmessage.Question{question},
	}
	if !exists {
		reply.RCode = dnsmessage.RCodeNameError
	}
	if question.Type == dnsmessage.TypeA {
		for _, address := range found {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 5},
				Body:   &dnsmessage.AResource{A: address.As4()},
			})
		}
	}
	return reply.Pack()
}

// resolve gives a name's addresses, and whether there is such a name.
func (s *server) resolve(name string) ([]netip.Addr, bool) {
	if address, known := s.internet[name]; known {
		return []netip.Addr{address}, true
	}
	within, ok := strings.CutSuffix(name, ".svc."+Domain)
	if !ok {
		return nil, false
	}
	parts := strings.Split(within, ".")
	if len(parts) != 2 {
		return nil, false
	}
	service, err := s.services.Services(parts[1]).Get(parts[0])
	if err != nil {
		return nil, false
	}
	if service.Spec.ClusterIP == corev1.ClusterIPNone {
		return s.ready(service), true
	}
	if address, err := netip.ParseAddr(service.Spec.ClusterIP); err == nil {
		return []netip.Addr{address}, true
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		address, known := s.internet[strings.ToLower(strings.TrimSuffix(service.Spec.ExternalName, "."))]
		return []netip.Addr{address}, known
	}
	return nil, false
}

// ready gives the pods of a headless Service.
func (s *server) ready(service *corev1.Service) []netip.Addr {
	slices, err := s.slices.EndpointSlices(service.Namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: service.Name}))
	if err != nil {
		log.Printf("list EndpointSlices: %v", err)
	}
	var all []netip.Addr
	for _, slice := range slices {
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready != nil && !*endpoint.Conditions.Ready {
				continue
			}
			for _, text := range endpoint.Addresses {
				if address, err := netip.ParseAddr(text); err == nil && address.Is4() {
					all = append(all, address)
				}
			}
		}
	}
	return all
}
