"""What all scenarios share while they run: the folder, the certificates, the origin, the name server."""

import base64
import contextlib
import json
import re
import socket
import subprocess
import time
from pathlib import Path

import machine
from measure import accepted_connections
from render import render
from token_of import signed_token

CONFIGS = Path(__file__).with_name("configs")
BODIES = {"1k": 1 << 10, "100k": 100 << 10, "1m": 1 << 20, "10m": 10 << 20}
# Names in these zones, `h7.egret.test`, have an address each.
HOSTS_PER_ZONE = 20_000


class Bench:
    def __init__(self, folder, egret, names):
        self.folder, self.egret = folder, egret
        self.zones = {name: f"z{number}.test" for number, name in enumerate(names)}
        files = folder / "files"
        files.mkdir()
        for name, size in BODIES.items():
            (files / name).write_bytes((b"0123456789abcdef" * (size // 16 + 1))[:size])
        self.certificates()
        self.values["JWKS"], self.jwt = signed_token(folder)
        self.values["FOLDER"], self.values["FILES"] = folder, machine.files_limit()
        (folder / "haproxy.hosts").write_text(
            "".join(f"api-{number}.example.com\n" for number in range(19)) + "origin.test\n"
        )
        (folder / "nginx.hosts").write_text(
            "".join(f"api-{number}.example.com 1;\n" for number in range(19)) + "origin.test 1;\n"
        )
        # Programs give up root and must still reach their files.
        folder.chmod(0o755)
        self.start_servers()

    def openssl(self, *words, **more):
        return subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=self.folder, **more).stdout

    def certificates(self):
        """An authority, and one certificate for the origin and for proxies that terminate TLS."""
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        self.openssl(
            "req",
            "-x509",
            *key,
            "-days",
            "30",
            "-subj",
            "/CN=bench",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign",
        )
        self.openssl("req", *key, "-subj", "/CN=origin.test", "-keyout", "server.key", "-out", "server.csr")
        names = ",".join(f"DNS:{name}" for name in ["origin.test", *(f"*.{zone}" for zone in self.zones.values())])
        (self.folder / "server.ext").write_text(f"subjectAltName={names}\nbasicConstraints=CA:FALSE\n")
        self.openssl(
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "30",
            "-out",
            "server.crt",
            "-extfile",
            "server.ext",
        )
        for name in ["server.crt", "server.key", "ca.crt"]:
            (self.folder / name).chmod(0o644)
        (self.folder / "server.both").write_text(
            (self.folder / "server.crt").read_text() + (self.folder / "server.key").read_text()
        )
        encoded = {
            name: base64.b64encode((self.folder / name).read_bytes()).decode()
            for name in ["server.crt", "server.key", "ca.crt"]
        }
        self.values = {
            "CERTIFICATE_BASE64": encoded["server.crt"],
            "KEY_BASE64": encoded["server.key"],
            "CA_BASE64": encoded["ca.crt"],
        }

    def start_servers(self):
        """The origin and the name server, on the core of the load."""
        origin = self.folder / "origin.conf"
        origin.write_text(render((CONFIGS / "origin.conf").read_text(), (), self.values))
        hosts = self.folder / "hosts"
        with hosts.open("w") as file:
            for zone, name in enumerate(self.zones.values()):
                for number in range(HOSTS_PER_ZONE):
                    file.write(f"127.{zone + 16}.{number >> 8}.{number & 255} h{number}.{name}\n")
        self.origin = machine.Process(
            ["nginx", "-c", origin], machine.LOAD_CORE, (self.folder / "origin.out").open("w")
        )
        self.dns = machine.Process(
            [
                "dnsmasq",
                "--keep-in-foreground",
                "--no-resolv",
                "--no-hosts",
                f"--addn-hosts={hosts}",
                "--local-ttl=300",
                "--listen-address=127.0.0.1",
                "--bind-interfaces",
                "--port=53",
                "--conf-file=/dev/null",
                "--pid-file",
                "--user=root",
                "--dns-forward-max=10000",
                "--address=/origin.test/127.0.0.1",
                "--local=/test/",
            ],
            machine.LOAD_CORE,
            (self.folder / "dns.out").open("w"),
        )

        self.wait_for_servers()

    def wait_for_servers(self):
        """The name server reads its names first, which no proxy shall wait for."""
        name = b"".join(bytes([len(part)]) + part for part in b"h0.z0.test".split(b".")) + b"\0"
        query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + name + b"\x00\x01\x00\x01"
        for _ in range(300):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked, contextlib.suppress(OSError):
                asked.settimeout(1)
                asked.connect(("127.0.0.1", 53))
                asked.send(query)
                if asked.recv(512)[7] == 1 and accepted_connections():
                    return
            time.sleep(0.1)
        raise RuntimeError("the name server or the origin does not answer")

    def stop(self):
        for process in (self.origin, self.dns):
            process.stop()
