"""The gateway that is counted: its configuration, its start by itself or under a tool, its end."""

import base64
import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "compare"))
from render import render  # noqa: E402
from token_of import signed_token  # noqa: E402

from fakes import start_name_server, start_origin  # noqa: E402

# Of twenty rules the last one is for the hosts of all scenarios.
RULES = "".join(f"  - {{action: Allow, hosts: [api-{number}.example.com]}}\n" for number in range(19)) + "  - {action: Allow, hosts: ['*.test']}"

# Routes to other hosts than those of the scenarios.
ROUTE = """---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: route-{number}, namespace: bench}}
spec:
  parentRefs: [{{name: http}}]
  hostnames: [api-{number}.example.com]
  rules: [{{backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: any}}]}}]
"""
ROUTES = "".join(ROUTE.format(number=number) for number in range(1000))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen
    port: int
    admin: int
    origin: int
    token: str


class World:
    """The fakes, the keys, and a folder for everything that is written."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.origin, self.dns = start_origin(), start_name_server()
        self.jwks, self.token = signed_token(folder)
        self.certificate()

    def certificate(self):
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "server.key"]
        names = ["-subj", "/CN=origin.test", "-addext", "subjectAltName=DNS:*.test"]
        command = ["openssl", "req", "-x509", "-days", "2", *key, *names, "-out", "server.crt"]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder)

    def base64(self, file):
        return base64.b64encode((self.folder / file).read_bytes()).decode()

    def configuration(self, words, port):
        values = {
            "PORT": port,
            "DNS": self.dns,
            "FOLDER": self.folder,
            "JWKS": self.jwks,
            "RULES": RULES,
            "ROUTES": ROUTES,
            "CERTIFICATE": self.base64("server.crt"),
            "KEY": self.base64("server.key"),
        }
        file = self.folder / "egret.yaml"
        # The default log is on unless something else is said.
        words = words if words & {"log", "telemetry"} else words | {"quiet"}
        file.write_text(render((HERE / "egret.yaml").read_text(), words, values))
        return file

    @contextlib.contextmanager
    def gateway(self, words, wrapper=(), attached=(), workers=1):
        """A gateway, with one worker by default. `wrapper` is a command that starts it, `attached` one that is given its process."""
        port, admin = free_port(), free_port()
        options = ["--workers", str(workers), "--admin", f"127.0.0.1:{admin}"]
        command = [*wrapper, self.binary, "serve", self.configuration(words, port), *options]
        # Memory that was given back is not counted.
        environment = {**os.environ, "MIMALLOC_PURGE_DELAY": "0"}
        with (self.folder / "output").open("w") as output:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=output, env=environment)
        tracer = None
        try:
            self.wait_until_ready(process, admin)
            if attached:
                tracer = subprocess.Popen([*attached, str(process.pid)], stderr=subprocess.PIPE)
                # The tracer says so once it has attached to every thread.
                tracer.stderr.readline()
            yield Running(process, port, admin, self.origin, self.token)
        finally:
            process.terminate()
            process.wait(timeout=120)
            if tracer:
                tracer.communicate(timeout=120)

    def wait_until_ready(self, process, admin):
        """Waits until the gateway listens, which takes seconds under valgrind."""
        deadline = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=10):
                    return
            except OSError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    said = (self.folder / "output").read_text()
                    raise RuntimeError(f"the gateway does not get ready: {said}") from error
                time.sleep(0.05)
