#!/usr/bin/env bash
# corkscrew 2.0 (Debian 12): fields of the answer to CONNECT that come in a second segment are passed on as the server's first bytes.
#
# The head of an answer ends with an empty line, wherever TCP cuts it. corkscrew takes what its first read brings for the whole
# head. A proxy that writes its status line and its fields one after the other therefore puts `Via: ...` before the greeting
# of the server, which a client of SSH skips, since servers may send lines before their version, and a client of SMTP or of
# a protocol of bytes takes for an error of the server. netcat-openbsd 1.219, socat 1.7.4.4, proxytunnel 1.10 and
# connect-proxy 1.105 read up to the empty line. So the head of an answer to CONNECT is best written at once.
#
# Seen (what a program gets in the tunnel, whose server says `220 a.test`):
#   at once          corkscrew [220 a.test]
#   in two segments  corkscrew [Via: 1.1 proxy||220 a.test]
#   in two segments  nc [220 a.test]
#   in two segments  socat [220 a.test]
#   in two segments  proxytunnel [220 a.test]
#   in two segments  connect-proxy [220 a.test]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
packages="corkscrew=2.0-14 netcat-openbsd=1.219-1 socat=1.7.4.4-2 proxytunnel=1.10.20210604-2 connect-proxy=1.105-1.3"
# shellcheck disable=SC2086
apt-get download -qq $packages 2>/dev/null
for package in *.deb; do dpkg --extract "$package" .; done
cat >finding.py <<'END_PY'
import os
import socket
import subprocess
import threading
import time

STATUS = b"HTTP/1.1 200 OK\r\n"
FIELDS = b"Via: 1.1 proxy\r\n\r\n"
GREETING = b"220 a.test\r\n"


def wait_until_read(client):
    """Waits until the tool has taken all that was sent to it out of its socket."""
    ends = [f"0100007F:{port:04X}" for port in (client.getpeername()[1], client.getsockname()[1])]
    while True:
        for line in open("/proc/net/tcp"):
            fields = line.split()
            if fields[1:3] == ends and fields[4].endswith(":00000000"):
                return
        time.sleep(0.01)


def serve(listener, segments):
    client, _ = listener.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with client:
        request = b""
        while b"\r\n\r\n" not in request:
            request += client.recv(4096)
        for segment in segments:
            client.sendall(segment)
            wait_until_read(client)
        client.recv(1)


def seen_by(command, segments):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, segments), daemon=True).start()
        words = [word.format(port=listener.getsockname()[1]) for word in command]
        tool = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        with tool:
            seen = b""
            while GREETING not in seen:
                seen += os.read(tool.stdout.fileno(), 4096)
            tool.kill()
    return seen.decode().strip().replace("\r\n", "|")


commands = {
    "corkscrew": ["usr/bin/corkscrew", "127.0.0.1", "{port}", "a.test", "25"],
    "nc": ["bin/nc.openbsd", "-X", "connect", "-x", "127.0.0.1:{port}", "a.test", "25"],
    "socat": ["usr/bin/socat", "-", "PROXY:127.0.0.1:a.test:25,proxyport={port}"],
    "proxytunnel": ["usr/bin/proxytunnel", "-q", "-p", "127.0.0.1:{port}", "-d", "a.test:25"],
    "connect-proxy": ["usr/bin/connect-proxy", "-H", "127.0.0.1:{port}", "a.test", "25"],
}
print(f"at once          corkscrew [{seen_by(commands['corkscrew'], [STATUS + FIELDS, GREETING])}]")
for name, command in commands.items():
    print(f"in two segments  {name} [{seen_by(command, [STATUS, FIELDS, GREETING])}]")
END_PY
timeout 60 python3 finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
at once          corkscrew [220 a.test]
in two segments  corkscrew [Via: 1.1 proxy||220 a.test]
in two segments  nc [220 a.test]
in two segments  socat [220 a.test]
in two segments  proxytunnel [220 a.test]
in two segments  connect-proxy [220 a.test]
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
