"""Kinds of scenarios. Each says what is configured, what is checked before measuring, and how it is driven."""

import contextlib
import http.client
import json
import socket
import ssl
import time
from dataclasses import dataclass, replace

import load
import machine
from load import Request
from measure import Rig, Samples, fetch, origin_field
from peers import PeerError, Running
from stats import median

# Of what Envoy can carry on the core, in the open loop.
SHARE = 0.6


@dataclass(frozen=True)
class Effort:
    """How long a scenario may take."""

    rounds: int = 7
    seconds: float = 0.9
    latency_rounds: int = 7
    latency_seconds: float = 1.5
    quick: bool = False


@dataclass(frozen=True)
class Scenario:
    """Requests at the highest rate, and some also in an open loop."""

    name: str
    title: str
    text: str
    peers: tuple
    request: Request = Request()
    features: tuple = ()
    origin_port: int = 80
    # How many routes are configured, each for a host of its own; 0 for one route for all hosts.
    routes: int = 0
    latency: bool = False
    # Which part of the usual time a round takes.
    part: float = 1.0
    # What the origin must say of its connection: HTTP version, and whether TLS was resumed.
    origin_says: str = ""
    tags: tuple = ()

    def measure(self, bench, peers, effort):
        effort = replace(effort, seconds=effort.seconds * self.part)
        with Rig(bench, self, peers) as rig:
            return {"checked": self.check(rig), **self.run(rig, effort), "seconds": effort.seconds}

    def probe(self, running):
        if "tls-listener" in self.features:
            return fetch(running.bench, running, self.words(running, self.request))["status"]
        return plain_status(running, self.request)

    def words(self, running, request):
        """How curl is told to send a request of this scenario."""
        host, path = host_of(running, request), request.path
        headers = [word for line in request.header_lines(running).split("\r\n") if line for word in ("-H", line)]
        if "tls-listener" in self.features:
            return [
                *headers,
                "--cacert",
                running.bench.folder / "ca.crt",
                "--connect-to",
                f"{host}:443:127.0.0.1:{running.port}",
                "--http2" if "h2" in self.tags else "--http1.1",
                f"https://{host}{path}",
            ]
        if request.tunnel and running.name != "haproxy-tcp":
            return [*headers, "-p", "-x", f"http://127.0.0.1:{running.port}", f"http://{host}{path}"]
        if running.peer.form == "absolute":
            return [*headers, "-x", f"http://127.0.0.1:{running.port}", f"http://{host}{path}"]
        return [*headers, "-H", f"Host: {host}", f"http://127.0.0.1:{running.port}{path}"]

    def check(self, rig):
        """The same bytes with status 200 from all, and what the scenario is about does happen."""
        expected = None
        for running in rig.all:
            got = [fetch(rig.bench, running, self.words(running, self.request)) for _ in range(3)]
            for one in got:
                expected = expected or (one["status"], one["digest"], one["bytes"])
                if one["status"] != 200 or (one["status"], one["digest"], one["bytes"]) != expected:
                    raise PeerError(running.name, f"{one} is not {expected}")
                if "tls-listener" in self.features and one["version"] != ("2" if "h2" in self.tags else "1.1"):
                    raise PeerError(running.name, f"speaks HTTP/{one['version']}")
            said = origin_field(got[-1]["head"])
            if self.origin_says and self.origin_says not in said:
                raise PeerError(running.name, f"the origin says {said!r}, not {self.origin_says!r}")
        origin = f"; the origin says `{self.origin_says}` of the third request" if self.origin_says else ""
        return f"status 200 and the same {expected[2]:,} bytes from all{origin}"

    def run(self, rig, effort):
        samples = Samples(rig)
        for running in rig.all:
            self.warm_up(running)
        for number, running in rig.turns(effort.rounds):
            samples.sample(running, lambda: self.drive(running, effort, number))
        result = {"peers": samples.by_peer}
        if self.latency:
            result["latency_rate"] = self.measure_latency(rig, samples, effort)
        for running in rig.all:
            samples.add(running, memory=running.process.memory())
        return result

    def warm_up(self, running):
        self.drive(running, Effort(seconds=0.3), -1)

    def drive(self, running, effort, _number):
        return load.closed_loop(running, self.request, effort.seconds)

    def measure_latency(self, rig, samples, effort):
        """At a share of what Envoy carries as kgateway sets it up, so that all but the slowest can carry it."""
        carried = {name: median(measures["rate"]) for name, measures in samples.by_peer.items()}
        rate = round(SHARE * carried.get("envoy-kgateway", carried.get("envoy", min(carried.values()))))
        for _, running in rig.turns(effort.latency_rounds):
            if carried[running.name] > 1.1 * rate:
                samples.latency(running, self.request, rate, effort.latency_seconds)
        return rate


def host_of(running, request):
    return (request.host % 0 if "%" in request.host else request.host).replace("@", running.zone)


def plain_status(running, request):
    """The status of one request, by the shortest way: it is what start-up is timed with."""
    host = host_of(running, request)
    target = f"http://{host}{request.path}" if running.peer.form == "absolute" else request.path
    text = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{request.header_lines(running)}\r\n"
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as connection:
        connection.sendall(text.encode())
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status


@dataclass(frozen=True)
class Guarded(Scenario):
    """Requests that logs, limits and rules are asked about: what they refuse is checked as well, and what they log."""

    def check(self, rig):
        checked = super().check(rig)
        refused = {"another host": (replace(self.request, host="other.test"), 403)}
        if "jwt" in self.features:
            refused["no token"] = (replace(self.request, headers=self.request.headers[1:]), 401)
            refused["another team"] = (replace(self.request, headers=(self.request.headers[0], "X-Team: search")), 403)
        for running in rig.all:
            for name, (request, wanted) in refused.items():
                status = fetch(rig.bench, running, self.words(running, request))["status"]
                if status != wanted:
                    raise PeerError(running.name, f"answers {name} with {status}, not {wanted}")
            self.check_log(running)
        statuses = ", ".join(f"{name} {status}" for name, (_, status) in refused.items())
        return f"{checked}; refused: {statuses}; a line of JSON for each request"

    def check_log(self, running):
        file = running.folder / "output" if running.name == "haproxy" else running.bench.folder / f"{running.name}.log"
        # Envoy writes at least once in ten seconds.
        for _ in range(120):
            lines = [line for line in file.read_text().splitlines() if line.startswith("{")] if file.exists() else []
            if any(str(json.loads(line)["code"]) == "200" for line in lines):
                return
            time.sleep(0.1)
        raise PeerError(running.name, "has not logged")


@dataclass(frozen=True)
class NewHosts(Scenario):
    """Each request is for a host that the proxy never saw: a name to resolve, an address to connect to."""

    count: int = 1000

    def run(self, rig, effort):
        count = self.count // 5 if effort.quick else self.count
        samples = Samples(rig)
        for number, running in rig.turns(effort.rounds + 1):
            # The first round makes the proxy allocate what it keeps, and does not count.
            drive = lambda: load.each_host_once(running, self.request, number * count, count)  # noqa: E731
            if number:
                samples.sample(running, drive)
            else:
                drive()
        time.sleep(4)
        for running in rig.all:
            memory = running.process.memory()
            each = (memory - rig.start_memory[running.name]) / ((effort.rounds + 1) * count)
            samples.add(running, memory=memory, bytes_each=round(each))
        return {"peers": samples.by_peer}


@dataclass(frozen=True)
class HostsInTurn(Scenario):
    """Many hosts that the proxy knows, each with a connection that waits."""

    def measure(self, bench, peers, effort):
        few = replace(self.request, hosts=self.request.hosts // 10)
        scenario = replace(self, request=few) if effort.quick else self
        return super(HostsInTurn, scenario).measure(bench, peers, effort)

    def warm_up(self, running):
        load.each_host_once(running, self.request, 0, self.request.hosts)


@dataclass(frozen=True)
class FromH2load(Scenario):
    """TLS from clients, HTTP/1.1 or HTTP/2."""

    streams: int = 1

    def run(self, rig, effort):
        samples = Samples(rig)

        def once(running, requests):
            version, connections = 2 if "h2" in self.tags else 1, self.request.connections
            return load.h2load(running, version, requests, connections, self.streams)

        rates = {}
        for running in rig.all:
            once(running, 1000)
            said = once(running, 1000)
            rates[running.name] = said["requests"] / said["seconds"]
        for _, running in rig.turns(effort.rounds):
            samples.sample(running, lambda: once(running, max(500, round(rates[running.name] * effort.seconds))))
        for running in rig.all:
            samples.add(running, memory=running.process.memory())
        return {"peers": samples.by_peer}


@dataclass(frozen=True)
class Idle(Scenario):
    """Memory of connections on which nothing happens: each carried a request, or is a tunnel."""

    most: int = 10_000

    def count(self):
        """Each client may need two of the files that a process may have open."""
        return min(self.most, (machine.files_limit() - 2000) // 2)

    def check(self, rig):
        return f"{super().check(rig)}; {self.count():,} at once"

    def run(self, rig, effort):
        count = self.count() // 10 if effort.quick else self.count()
        samples = Samples(rig)
        for running in rig.all:
            self.warm_up(running)
        time.sleep(2)
        for running in rig.all:
            before = running.process.memory()
            with self.held(running, count):
                time.sleep(4)
                after = running.process.memory()
            samples.add(running, bytes_each=round((after - before) / count), memory=after)
        return {"peers": samples.by_peer, "rounds": 1}

    @contextlib.contextmanager
    def held(self, running, count):
        clients = load.start(running, replace(self.request, connections=count), "--hold")
        try:
            load.result(running, clients)
            yield
        finally:
            clients.kill()
            clients.wait()


@dataclass(frozen=True)
class IdleOverTls(Idle):
    """The same over TLS, by clients of Python's, which are slow and therefore fewer."""

    most: int = 2000

    def warm_up(self, running):
        with self.held(running, 16):
            pass

    @contextlib.contextmanager
    def held(self, running, count):
        context = ssl.create_default_context(cafile=running.bench.folder / "ca.crt")
        host = host_of(running, self.request)
        request = f"GET {self.request.path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        with contextlib.ExitStack() as clients:
            for _ in range(count):
                plain = socket.create_connection(("127.0.0.1", running.port), timeout=20)
                client = clients.enter_context(context.wrap_socket(plain, server_hostname=host))
                client.sendall(request)
                if not client.recv(4096).startswith(b"HTTP/1.1 200"):
                    raise PeerError(running.name, "does not answer an idle client")
            yield


@dataclass(frozen=True)
class Originated(Scenario):
    """TLS to the origin, which logs by host, so by proxy, which sessions were resumed."""

    def run(self, rig, effort):
        result = super().run(rig, effort)
        # The origin writes its log once in a second.
        time.sleep(1.5)
        lines = (rig.bench.folder / "resumed.log").read_text().splitlines()
        for running in rig.all:
            found = [line.endswith(" r") for line in lines if line.startswith(f"{host_of(running, self.request)} ")]
            result["peers"][running.name]["resumed"] = [round(sum(found) / len(found), 3)]
        return result


@dataclass(frozen=True)
class StartUp(Scenario):
    """From the start of the process to the first response with 200, one proxy at a time."""

    most_rounds: int = 7

    def measure(self, bench, peers, effort):
        rounds = min(effort.rounds, self.most_rounds)
        measures = {peer.name: {"start_up_ms": [], "start_memory": [], "start_cpu_ms": []} for peer in peers}
        for _ in range(rounds):
            for peer in peers:
                running = Running(bench, peer, self.features, self.routes, self.origin_port)
                try:
                    took = running.wait_until_ready(self.probe)
                    measures[peer.name]["start_up_ms"].append(round(took * 1000, 1))
                    measures[peer.name]["start_cpu_ms"].append(round(running.process.cpu_ns() / 1e6, 1))
                    measures[peer.name]["start_memory"].append(running.process.memory())
                finally:
                    running.stop()
        return {"checked": "the first response with status 200 ends the time", "peers": measures}


@dataclass(frozen=True)
class Reload(Scenario):
    """The configuration changes every second under an open loop, beside the same load without changes."""

    changes: int = 3
    most_rounds: int = 3

    def run(self, rig, effort):
        rounds = min(effort.rounds, self.most_rounds)
        changes = 2 if effort.quick else self.changes
        samples = Samples(rig)
        for running in rig.all:
            self.warm_up(running)
        for running in rig.all:
            samples.sample(running, lambda: self.drive(running, Effort(seconds=0.5), -1))
        rate = round(SHARE / 2 * min(median(measures.pop("rate")) for measures in samples.by_peer.values()))
        for measures in samples.by_peer.values():
            measures.clear()
        for number, running in rig.turns(rounds):
            calm, calm_cpu, _ = self.phase(running, rate, changes, None)
            changed, cpu, live = self.phase(running, rate, changes, number * changes)
            samples.add(
                running,
                failed=calm["failed"] + changed["failed"] + calm["other_status"] + changed["other_status"],
                calm_p99_us=calm["p99_us"],
                reload_p99_us=changed["p99_us"],
                reload_ratio=round(changed["p99_us"] / max(calm["p99_us"], 1), 2),
                reload_cpu_ms=round((cpu - calm_cpu) / changes / 1e6, 1),
                live_ms=round(live * 1000),
            )
        return {"peers": samples.by_peer, "reload_rate": rate, "rounds": rounds}

    def phase(self, running, rate, changes, first):
        """One second for each change; the last change must become live."""
        cpu = running.process.cpu_ns()
        many = replace(self.request, connections=64)
        clients = load.start(running, many, "--rate", rate, "--seconds", changes + 1)
        live = 0.0
        for number in range(changes):
            time.sleep(1)
            if first is not None:
                running.reload(self.routes + first + number)
        if first is not None:
            live = self.wait_until_live(running, self.routes + first + changes - 1)
        said = load.result(running, clients, allowed=10**9)
        clients.stdin.close()
        clients.wait()
        return said, running.process.cpu_ns() - cpu, live

    def wait_until_live(self, running, number):
        begun = time.monotonic()
        request = replace(self.request, host=f"h{number}.{running.zone}")
        while time.monotonic() - begun < 30:
            try:
                if plain_status(running, request) == 200:
                    return time.monotonic() - begun
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.02)
        raise PeerError(running.name, "a change is not live after 30 s")
