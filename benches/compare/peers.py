"""The proxies that are compared: how each is configured, started and asked for its version."""

import http.client
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import machine
from render import render

CONFIGS = Path(__file__).with_name("configs")
RULES = [f"api-{number}.example.com" for number in range(19)] + ["origin.test"]


class PeerError(Exception):
    """A proxy did not do what the scenario asks of it: its figures would mean nothing."""

    def __init__(self, peer, what):
        super().__init__(f"{peer}: {what}")
        self.peer = peer


@dataclass(frozen=True)
class Peer:
    name: str
    template: str
    # What the reader should know where the name stands in a table.
    note: str = ""
    # How a request names its target: `origin` is a path and Host, `absolute` is http://host/path.
    form: str = "origin"
    properties: tuple = ()

    def command(self, file, egret):
        program = self.template.partition("-")[0].partition(".")[0]
        maximum = str(machine.files_limit() - 200)
        return {
            "egret": [
                egret,
                "serve",
                file,
                "--workers",
                "1",
                "--admin",
                "127.0.0.1:0",
                "--log-level",
                "warn",
                "--max-connections",
                maximum,
            ],
            "haproxy": ["haproxy", "-db", "-f", file],
            "nginx": ["nginx", "-c", file],
            "envoy": [
                machine.envoy(),
                "--concurrency",
                "1",
                "--log-level",
                "error",
                "--disable-hot-restart",
                "-c",
                file,
            ],
            "squid": ["squid", "-N", "-f", file],
            "tinyproxy": ["tinyproxy", "-d", "-c", file],
        }[program]

    def version(self, egret):
        program = self.template.partition("-")[0].partition(".")[0]
        command = {
            "egret": [egret, "--version"],
            "haproxy": ["haproxy", "-v"],
            "nginx": ["nginx", "-v"],
            "envoy": [machine.envoy(), "--version"],
            "squid": ["squid", "-v"],
            "tinyproxy": ["tinyproxy", "-v"],
        }[program]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        # Envoy prints its path first, and its version between slashes.
        return re.search(r"\d+\.\d+(\.\d+)?", (done.stdout + done.stderr).rpartition("version:")[2])[0]


PEERS = {
    peer.name: peer
    for peer in [
        Peer("egret", "egret.yaml"),
        Peer("haproxy", "haproxy.cfg"),
        Peer("nginx", "nginx.conf", "a plain reverse proxy to one upstream, not the same job"),
        Peer("envoy", "envoy.yaml", "its dynamic forward proxy with the DNS cache"),
        Peer("envoy-kgateway", "envoy.yaml", "as kgateway configures it", properties=("kgateway",)),
        Peer("squid", "squid.conf", form="absolute"),
        Peer("tinyproxy", "tinyproxy.conf", form="absolute"),
        Peer("nginx-dynamic", "nginx-dynamic.conf", "resolver and a variable in proxy_pass"),
        Peer("haproxy-tcp", "haproxy-tcp.cfg", "a relay of TCP to one address, not the same job"),
    ]
}


def rules(peer):
    if peer.name == "egret":
        lines = [
            f"  - {{name: rule-{number}, action: Allow, hosts: [{host}], ports: [80]}}"
            for number, host in enumerate(RULES)
        ]
    else:
        header = '{{header: {{name: ":authority", string_match: {{exact: {host}, ignore_case: true}}}}}}'
        lines = [
            f"{18 * ' '}rule-{number:02}: {{permissions: [{header.format(host=host)}], principals: [{{any: true}}]}}"
            for number, host in enumerate(RULES)
        ]
    return "\n".join(lines)


def routes(peer, hosts):
    """A route for each host: an HTTPRoute, a virtual host, a server."""
    return "\n".join(route(peer, host) for host in hosts)


def route(peer, host):
    if peer.name == "egret":
        name = host.replace(".", "-")
        backend = "[{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: dynamic}]}]"
        return (
            f"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: {name}, namespace: bench}}\n"
            f"spec: {{parentRefs: [{{name: bench}}], hostnames: [{host}], rules: {backend}}}\n---"
        )
    if peer.template == "envoy.yaml":
        routed = "[{match: {prefix: /}, route: {cluster: dynamic}}]"
        return f"            - {{name: {host}, domains: [{host}], routes: {routed}}}"
    if peer.name == "nginx":
        return (
            "  server { listen 127.0.0.1:"
            + str(PORTS["nginx"])
            + f"; server_name {host}; location / {{ proxy_pass http://origin; "
            'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; } }'
        )
    return f"{host} dynamic"


ENVOY_ROUTES = """\
resources:
- "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
  name: routes
  ignore_port_in_host_matching: true
  virtual_hosts:
"""


def replace_file(file, text):
    new = file.with_suffix(".new")
    new.write_text(text)
    new.rename(file)


PORTS = {name: 9100 + number for number, name in enumerate(PEERS)}


class Running:
    """A proxy that runs, with a folder for its files."""

    def __init__(self, bench, peer, features=(), route_count=0, origin_port=80):
        self.peer, self.bench, self.name, self.port = peer, bench, peer.name, PORTS[peer.name]
        self.zone, self.words, self.route_count = bench.zones[peer.name], {*features, *peer.properties}, route_count
        self.folder = bench.folder / peer.name
        self.folder.mkdir(exist_ok=True)
        self.log = (self.folder / "output").open("w")
        maximum = machine.files_limit() - 200
        # HAProxy counts clients, each of which may need two files, and pipes beside.
        self.values = {
            **bench.values,
            "NAME": peer.name,
            "PORT": self.port,
            "ADMIN": self.port + 100,
            "ORIGIN_PORT": origin_port,
            "MAXCONN": (maximum - 1000) // 2 if peer.template.startswith("haproxy") else maximum,
            "RULES": rules(peer),
        }
        self.file = self.folder / peer.template
        self.write_configuration()
        command = peer.command(self.file, bench.egret)
        # HAProxy is reloaded through its master process.
        command += ["-W"] if peer.name == "haproxy" and "reload" in self.words else []
        self.process = machine.Process(command, machine.PROXY_CORE, self.log)

    def write_configuration(self, *more_routes):
        """Files are replaced as a whole, so that a proxy that watches them never reads half of one."""
        hosts = [f"h{number}.{self.zone}" for number in [*range(self.route_count), *more_routes]]
        values = {**self.values, "ROUTES": routes(self.peer, hosts)}
        if self.name == "haproxy":
            replace_file(self.bench.folder / "haproxy.map", values["ROUTES"] + "\n")
        if self.peer.template == "envoy.yaml" and "reload" in self.words:
            replace_file(self.bench.folder / f"{self.name}-routes.yaml", ENVOY_ROUTES + values["ROUTES"] + "\n")
        replace_file(self.file, render((CONFIGS / self.peer.template).read_text(), self.words, values))

    def reload(self, more_route):
        """Changes the routes in the way that the proxy has for it, while it serves."""
        self.write_configuration(more_route)
        if self.name in ("haproxy", "nginx"):
            os.kill(self.process.pid, signal.SIGUSR2 if self.name == "haproxy" else signal.SIGHUP)

    def wait_until_ready(self, request, seconds=60):
        """Waits for the first response with 200 and returns the time since the process was started."""
        while time.monotonic() - self.process.begun < seconds:
            if not self.process.alive():
                break
            try:
                if request(self) == 200:
                    return time.monotonic() - self.process.begun
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.002)
        raise PeerError(self.name, f"does not serve; its output:\n{self.output()}")

    def output(self):
        self.log.flush()
        return (self.folder / "output").read_text(errors="replace")[-3000:]

    def stop(self):
        self.process.stop()
        # On a fast machine the logs of one scenario are gigabytes.
        self.log.truncate(0)
        self.log.close()
        (self.bench.folder / f"{self.name}.log").unlink(missing_ok=True)
