package control

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"egret.dev/conformance/cluster/internal/addresses"
)

// writeCredentials makes what the cluster's processes know each other by, and the kubeconfig of its administrator.
func (c *cluster) writeCredentials() error {
	if err := os.MkdirAll(c.path("certs"), 0o700); err != nil {
		return err
	}
	authorityKey, err := newKey()
	if err != nil {
		return err
	}
	authority := certificate("egret test cluster")
	authority.IsCA, authority.BasicConstraintsValid, authority.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return err
	}
	authorityPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(c.path("certs/ca.crt"), authorityPEM, 0o644); err != nil {
		return err
	}
	if err := c.writeServer(authority, authorityKey); err != nil {
		return err
	}
	accounts, err := newKey()
	if err != nil {
		return err
	}
	if err := writeKey(c.path("certs/service-accounts.key"), accounts); err != nil {
		return err
	}
	c.token = rand.Text()
	if err := os.WriteFile(c.path("certs/tokens.csv"), []byte(c.token+",admin,admin,system:masters\n"), 0o600); err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["egret"] = &clientcmdapi.Cluster{
		Server: fmt.Sprintf("https://127.0.0.1:%d", apiServerPort), CertificateAuthorityData: authorityPEM,
	}
	config.AuthInfos["admin"] = &clientcmdapi.AuthInfo{Token: c.token}
	config.Contexts["egret"] = &clientcmdapi.Context{Cluster: "egret", AuthInfo: "admin"}
	config.CurrentContext = "egret"
	return clientcmd.WriteToFile(*config, c.path("kubeconfig"))
}

// writeServer makes the API server's certificate, for all names and addresses under which it is reached.
func (c *cluster) writeServer(authority *x509.Certificate, authorityKey crypto.Signer) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	server := certificate("kube-apiserver")
	server.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	server.IPAddresses = []net.IP{
		net.IPv4(127, 0, 0, 1), addresses.Node.AsSlice(), addresses.ClusterIPs.Addr().Next().AsSlice(),
	}
	server.KeyUsage, server.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, server, authority, key.Public(), authorityKey)
	if err != nil {
		return err
	}
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(c.path("certs/apiserver.crt"), encoded, 0o644); err != nil {
		return err
	}
	return writeKey(c.path("certs/apiserver.key"), key)
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// certificate begins one that is good for as long as a cluster may be left running.
func certificate(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		panic(err) // The operating system gives no random numbers.
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 1, 0),
	}
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}
