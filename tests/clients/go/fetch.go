package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
)

// fetch requests a URL as net/http's default client does, with this additional CA.
func fetch(url, caFile string) outcome {
	roots, err := trusting(caFile)
	if err != nil {
		return outcome{Error: err.Error()}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	client := http.Client{Transport: transport, Timeout: timeout}
	response, err := client.Get(url)
	if err != nil {
		return outcome{Error: err.Error()}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return outcome{Error: err.Error()}
	}
	return outcome{Status: response.StatusCode, Body: string(body)}
}

func trusting(caFile string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return roots, nil
}
