package control

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"egret.dev/conformance/cluster/internal/addresses"
)

// controllers are those of the controller manager that pods of Deployments, their endpoints, credentials and the deletion
// of what is owned need.
var controllers = []string{
	"deployment-controller", "replicaset-controller", "endpointslice-controller", "namespace-controller",
	"garbage-collector-controller", "serviceaccount-controller", "root-ca-certificate-publisher-controller", "disruption-controller",
}

func etcdFlags(dir string) []string {
	client, peer := fmt.Sprintf("http://127.0.0.1:%d", etcdPort), fmt.Sprintf("http://127.0.0.1:%d", etcdPort+1)
	return []string{
		"--data-dir", dir, "--unsafe-no-fsync", "--log-level", "warn",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=" + peer,
	}
}

// apiServerFlags bind it to all addresses: pods reach it at the node's, through the Service `kubernetes`.
func (c *cluster) apiServerFlags() []string {
	return []string{
		fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", etcdPort),
		"--bind-address=0.0.0.0", fmt.Sprintf("--secure-port=%d", apiServerPort), "--advertise-address=" + addresses.Node.String(),
		"--tls-cert-file=" + c.path("certs/apiserver.crt"), "--tls-private-key-file=" + c.path("certs/apiserver.key"),
		"--service-cluster-ip-range=" + addresses.ClusterIPs.String(),
		"--authorization-mode=RBAC", "--token-auth-file=" + c.path("certs/tokens.csv"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.path("certs/service-accounts.key"),
		"--service-account-signing-key-file=" + c.path("certs/service-accounts.key"),
		"--kubelet-preferred-address-types=InternalIP", "--allow-privileged",
	}
}

func (c *cluster) controllerFlags() []string {
	return []string{
		"--kubeconfig=" + c.path("kubeconfig"), "--leader-elect=false", "--root-ca-file=" + c.path("certs/ca.crt"),
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", controllerPort), "--controllers=" + strings.Join(controllers, ","),
	}
}

func (c *cluster) apiServerReady(ctx context.Context) error {
	authority, err := os.ReadFile(c.path("certs/ca.crt"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	return c.get(ctx, fmt.Sprintf("https://127.0.0.1:%d/readyz", apiServerPort), &tls.Config{RootCAs: pool})
}

// controllerReady does not look at the certificate, which the controller manager makes for itself.
func (c *cluster) controllerReady(ctx context.Context) error {
	return c.get(ctx, fmt.Sprintf("https://127.0.0.1:%d/healthz", controllerPort), &tls.Config{InsecureSkipVerify: true})
}

func (c *cluster) nodeReady(context.Context) error {
	_, err := os.Stat(c.path("node/ready"))
	return err
}

func (c *cluster) get(ctx context.Context, url string, config *tls.Config) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}
