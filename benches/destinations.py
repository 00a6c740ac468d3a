#!/usr/bin/env python3
"""What telemetry costs that has seen 100,000 distinct destinations: its memory, a scrape, and what the admin page asks for.

    python3 benches/destinations.py [BINARY] [--destinations N] [--workers N] [--check]

Without a binary, target/release/egret. Every request is for a name of its own, of half as many domains, and is refused by
name, so that nothing but telemetry knows of it afterwards; the memory is what the gateway holds beyond that after as many
requests for one name. Answers are timed by the CPU that the gateway needs for them, because other programs disturb that
least. --check fails if a figure is over its limit. Needs openssl.
"""

import argparse
import socket
import statistics
import sys
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "benches/counts"))
from gateway import World  # noqa: E402
from tools import settled  # noqa: E402

LIMITS = {
    "memory of telemetry, MiB": 32,
    "/metrics, MB": 2,
    "/metrics, ms": 100,
    "/destinations?limit=1000, ms": 100,
    "/destinations?host=, ms": 100,
    "/overview, ms": 100,
}
# Requests that are on their way at once, on each of as many connections.
BATCH, CONNECTIONS = 100, 16


def refused(running, hosts):
    """Sends a request for each host, all of which are refused."""
    clients = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(CONNECTIONS)]
    batches = [hosts[at : at + BATCH] for at in range(0, len(hosts), BATCH)]
    for number, batch in enumerate(batches):
        client = clients[number % CONNECTIONS]
        client.sendall(b"".join(f"GET / HTTP/1.1\r\nhost: {host}\r\n\r\n".encode() for host in batch))
        received = b""
        # A refusal says it in its head and nowhere else.
        while received.count(b"HTTP/1.1 ") < len(batch):
            piece = client.recv(1 << 20)
            if not piece:
                raise RuntimeError(f"the gateway closed the connection after {received[-500:]!r}")
            received += piece
        if received.count(b"HTTP/1.1 403 ") != len(batch):
            raise RuntimeError(f"not refused: {received[:500]!r}")
    for client in clients:
        client.close()


def used(process):
    """The CPU time of all threads of a process so far, in seconds."""
    spent = [path.read_text().split()[0] for path in Path(f"/proc/{process}/task").glob("*/schedstat")]
    return sum(map(int, spent)) / 1e9


def asked(running, path):
    """The size of an answer of the admin server, and the median CPU time that it takes, in seconds."""
    times = []
    for _ in range(7):
        before = used(running.process.pid)
        with urllib.request.urlopen(f"http://127.0.0.1:{running.admin}{path}", timeout=60) as answer:
            size = len(answer.read())
        times.append(used(running.process.pid) - before)
    return size, statistics.median(times)


def figures(binary, count, workers):
    names = [f"h{number}.d{number // 2}.example" for number in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        world = World(binary.resolve(), Path(folder))
        with world.gateway(frozenset(["rules"]), workers=workers) as running:
            refused(running, ["one.example"] * count)
            before = settled(running.process.pid)
            refused(running, names)
            held = settled(running.process.pid) - before
            size, scrape = asked(running, "/metrics")
            paths = ["/destinations?limit=1000", f"/destinations?host={names[0]}", "/overview"]
            times = {path.replace(names[0], ""): asked(running, path)[1] for path in paths}
    found = {
        "memory of telemetry, MiB": held / 1024 / 1024,
        "/metrics, MB": size / 1e6,
        "/metrics, ms": scrape * 1000,
    }
    return found | {f"{path}, ms": took * 1000 for path, took in times.items()}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("binary", nargs="?", type=Path, default=ROOT / "target/release/egret")
    options.add_argument("--destinations", type=int, default=100_000)
    options.add_argument("--workers", type=int, default=4)
    options.add_argument("--check", action="store_true", help="fail if a figure is over its limit")
    args = options.parse_args()
    over = []
    for name, value in figures(args.binary, args.destinations, args.workers).items():
        print(f"{name:36} {value:10.2f}   at most {LIMITS[name]}", flush=True)
        if value > LIMITS[name]:
            over.append(name)
    if args.check and over:
        sys.exit(f"over their limits: {', '.join(over)}")


if __name__ == "__main__":
    main()
