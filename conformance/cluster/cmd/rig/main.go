// Command rig is a Kubernetes cluster in one program: etcd, the API server, the controller manager, kubectl, a stand-in
// for nodes, and what starts them. The name that it is started under says which of these it is, as links to it do.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/mccutchen/go-httpbin/v2/httpbin/cmd"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"

	"egret.dev/conformance/cluster/internal/container"
	"egret.dev/conformance/cluster/internal/control"
	"egret.dev/conformance/cluster/internal/load"
	"egret.dev/conformance/cluster/internal/node"
	"egret.dev/conformance/cluster/internal/scale"
)

func main() {
	switch name := filepath.Base(os.Args[0]); name {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllermanager.NewControllerManagerCommand()))
	case "kubectl":
		os.Exit(cli.Run(kubectl.NewDefaultKubectlCommand()))
	case "go-httpbin":
		os.Exit(cmd.Main(cmd.BuildInfo{Version: "v2"}))
	case "rig-control":
		exit(control.Main(os.Args[1:]))
	case "rig-node":
		exit(node.Main(os.Args[1:]))
	case "rig-load":
		exit(load.Main(os.Args[1:]))
	case "rig-scale":
		exit(scale.Main(os.Args[1:]))
	case container.InitName:
		exit(container.Init())
	default:
		exit(fmt.Errorf("%s: start it under the name of one of its programs, as the links beside it do", name))
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "rig:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
