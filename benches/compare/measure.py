"""Rounds: the proxies take turns within each, so that what disturbs the machine disturbs all of them alike."""

import hashlib
import re
import subprocess
import time
import urllib.request

import load
from peers import Running


class Rig:
    """The proxies of one scenario, started together."""

    def __init__(self, bench, scenario, peers):
        self.bench, self.scenario, self.all = bench, scenario, []
        try:
            for peer in peers:
                self.all.append(Running(bench, peer, scenario.features, scenario.routes, scenario.origin_port))
            for running in self.all:
                running.wait_until_ready(scenario.probe)
            self.start_memory = {running.name: running.process.memory() for running in self.all}
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for running in self.all:
            running.stop()

    def turns(self, rounds):
        """The proxies of every round; each round begins with another one."""
        for number in range(rounds):
            start = number % len(self.all)
            for running in self.all[start:] + self.all[:start]:
                yield number, running


class Samples:
    """Measures by proxy, a list of rounds each."""

    def __init__(self, rig):
        self.rig = rig
        self.by_peer = {running.name: {} for running in rig.all}

    def add(self, running, **measures):
        for name, value in measures.items():
            self.by_peer[running.name].setdefault(name, []).append(value)

    def sample(self, running, drive):
        """What a load cost: CPU for each request, how busy the core was, connections to the origin."""
        accepted, cpu, begun = accepted_connections(), running.process.cpu_ns(), time.monotonic()
        said = drive()
        used, elapsed = running.process.cpu_ns() - cpu, time.monotonic() - begun
        requests = said["requests"]
        opened = accepted_connections() - accepted - 1
        self.add(
            running,
            cpu_us=round(used / requests / 1000, 3),
            rate=round(requests / said["seconds"], 1),
            busy=round(used / 1e9 / elapsed, 3),
            upstream_connections=round(opened / requests, 4),
        )
        if "bytes" in self.rig.scenario.tags:
            self.add(running, mib_per_cpu_second=round(said["bytes"] / 2**20 / (used / 1e9), 1))
        return said

    def latency(self, running, request, rate, seconds):
        cpu = running.process.cpu_ns()
        said = load.open_loop(running, request, rate, seconds)
        used = running.process.cpu_ns() - cpu
        self.add(
            running,
            rated_cpu_us=round(used / max(said["requests"], 1) / 1000, 3),
            p50_us=said["p50_us"],
            p99_us=said["p99_us"],
            p999_us=said["p999_us"],
            achieved=round(said["requests"] / (rate * seconds), 3),
        )


def accepted_connections():
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    text = opener.open("http://127.0.0.1:80/connections", timeout=10).read().decode()
    return int(re.search(r"requests\s+(\d+)", text)[1])


def curl(*words):
    command = ["curl", "-s", "-g", "--noproxy", "", "--max-time", "20", *map(str, words)]
    return subprocess.run(command, capture_output=True, check=False)


def fetch(bench, running, words):
    """Status, HTTP version, digest of the body and header fields of one response, by a client that is not ours."""
    body, head = bench.folder / "fetched", bench.folder / "fetched-head"
    body.write_bytes(b"")
    # The fields of a proxy's response to CONNECT are written there too; the last ones are those of the origin.
    done = curl("-o", body, "-D", head, "-w", "%{http_code} %{http_version}", *words)
    status, _, version = done.stdout.decode().partition(" ")
    return {
        "status": int(status or 0),
        "version": version,
        "digest": hashlib.sha256(body.read_bytes()).hexdigest()[:16],
        "bytes": body.stat().st_size,
        "head": head.read_text() if head.exists() else "",
    }


def origin_field(head):
    found = re.findall(r"^x-origin: (.*?)\r?$", head, re.M | re.I)
    return found[-1] if found else ""
