"""Drives load through a proxy: our own client (load.c) for HTTP/1.1 in the clear, h2load for TLS and HTTP/2."""

import json
import re
import subprocess
from dataclasses import dataclass, replace

import machine
from peers import PeerError


@dataclass(frozen=True)
class Request:
    """What clients ask for, over how many connections."""

    path: str = "/"
    # With %ld in it, the requests go to hosts in turn; `@` stands for the zone of the proxy.
    host: str = "origin.test"
    connections: int = 32
    hosts: int = 1
    stride: int = 1
    headers: tuple = ()
    new_connections: bool = False
    tunnel: bool = False
    tunnels_only: bool = False

    def header_lines(self, running):
        return "".join(line.replace("@JWT@", running.bench.jwt) + "\r\n" for line in self.headers)

    def arguments(self, running):
        # A relay of TCP knows no CONNECT: what it is sent is what the origin gets.
        connect = self.tunnel and running.name != "haproxy-tcp"
        form = "connect" if connect else running.peer.form
        host = self.host.replace("@", running.zone) if "@" in self.host else self.host
        words = [
            "--port",
            running.port,
            "--host",
            host,
            "--path",
            self.path,
            "--connections",
            self.connections,
            "--hosts",
            self.hosts,
            "--stride",
            self.stride,
            "--form",
            form,
        ]
        words += ["--header", self.header_lines(running)] if self.headers else []
        words += ["--new-connections"] if self.new_connections else []
        words += ["--tunnels-only"] if self.tunnels_only else []
        return [str(word) for word in words]


def start(running, request, *words):
    command = [
        "taskset",
        "-c",
        str(machine.LOAD_CORE),
        machine.load_program(),
        *request.arguments(running),
        *map(str, words),
    ]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def result(running, process, allowed=0):
    line = process.stdout.readline()
    if not line:
        raise PeerError(running.name, f"the client ended with {process.wait()}")
    said = json.loads(line)
    if said["other_status"] > allowed or said["failed"] > allowed or not said["requests"]:
        raise PeerError(running.name, f"not every request was answered with 200: {line.strip()}")
    return said


def run(running, request, *words, allowed=0):
    process = start(running, request, *words)
    try:
        return result(running, process, allowed)
    finally:
        process.stdin.close()
        process.wait()


def closed_loop(running, request, seconds):
    return run(running, request, "--seconds", seconds)


def open_loop(running, request, rate, seconds, allowed=0):
    many = replace(request, connections=max(request.connections, 64))
    return run(running, many, "--rate", rate, "--seconds", seconds, allowed=allowed)


def each_host_once(running, request, first, count):
    return run(running, replace(request, hosts=0), "--first", first, "--requests", count)


def h2load(running, version, requests, connections, streams):
    """h2load has no open loop; its throughput and the cost to the proxy are what is taken from it."""
    command = [
        "taskset",
        "-c",
        str(machine.LOAD_CORE),
        "h2load",
        f"--connect-to=127.0.0.1:{running.port}",
        "-t1",
        f"-c{connections}",
        f"-m{streams}",
        f"-n{requests}",
        *(["--h1"] if version == 1 else []),
        "https://origin.test/",
    ]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"finished in [\d.]+m?s, ([\d.]+) req/s", printed)
    succeeded = re.search(r"status codes: (\d+) 2xx", printed)
    if not rate or not succeeded or int(succeeded[1]) != requests:
        raise PeerError(running.name, printed)
    return {"requests": requests, "seconds": requests / float(rate[1])}
