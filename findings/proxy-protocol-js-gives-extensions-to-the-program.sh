#!/usr/bin/env bash
# proxy-protocol-js 4.0.6 (npm): what a PROXY protocol header has after its addresses becomes the first bytes of the client, and
# the shortest header of version 1 is refused.
#
# A header of version 2 says its length, and receivers have to skip what they do not know up to there (section 2.2 of the
# protocol): HAProxy (proxy-v2-options) and the load balancers of clouds add fields for TLS, the server name or an
# id. This parser reads the addresses and takes the rest for data, so that the first request begins with bytes of the
# header; and a health check (LOCAL) with such fields is data too. `PROXY UNKNOWN` alone is what a sender writes that has no
# addresses to tell. proxy-protocol 0.11.3 (PyPI) reads all of them.
#
# Seen (the data after the header, which is `GET /` on the wire):
#   v2, addresses alone       javascript [GET /], python [GET /]
#   v2, with a server name    javascript [\x02\x00\x06a.testGET /], python [GET /]
#   v2, a check with an id    javascript [\x05\x00\x011GET /], python [GET /]
#   v1, PROXY UNKNOWN         javascript error, python [GET /]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet proxy-protocol==0.11.3
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit proxy-protocol-js@4.0.6
cat >headers.py <<'END_PY'
import json
import socket
import struct


def version_2(command, family, rest):
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20 | command, family]) + struct.pack(">H", len(rest)) + rest


ADDRESSES = socket.inet_aton("192.0.2.1") + socket.inet_aton("192.0.2.2") + struct.pack(">HH", 1000, 443)
headers = {
    "v2, addresses alone": version_2(1, 0x11, ADDRESSES),
    "v2, with a server name": version_2(1, 0x11, ADDRESSES + b"\x02\x00\x06a.test"),
    "v2, a check with an id": version_2(0, 0, b"\x05\x00\x011"),
    "v1, PROXY UNKNOWN": b"PROXY UNKNOWN\r\n",
}
json.dump({name: (header + b"GET /").hex() for name, header in headers.items()}, open("headers.json", "w"))
END_PY
cat >finding.py <<'END_PY'
import asyncio
import json

from proxyprotocol.detect import ProxyProtocolDetect
from proxyprotocol.reader import ProxyProtocolReader


async def rest(stream):
    reader = asyncio.StreamReader()
    reader.feed_data(stream)
    reader.feed_eof()
    await ProxyProtocolReader(ProxyProtocolDetect()).read(reader)
    return (await reader.read()).decode()


for name, stream in json.load(open("headers.json")).items():
    print(f", python [{asyncio.run(rest(bytes.fromhex(stream)))}]")
END_PY
cat >finding.js <<'END_JS'
const { readFileSync } = require("node:fs");
const { V1ProxyProtocol, V2ProxyProtocol } = require("proxy-protocol-js");

function rest(name, stream) {
  try {
    const data = name.startsWith("v1")
      ? V1ProxyProtocol.parse(stream.toString("latin1")).data
      : Buffer.from(V2ProxyProtocol.parse(new Uint8Array(stream)).data).toString("latin1");
    return `[${data.replace(/[\0-\x1f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`)}]`;
  } catch {
    return "error";
  }
}

for (const [name, stream] of Object.entries(JSON.parse(readFileSync("headers.json", "utf8")))) {
  console.log(`${name.padEnd(25)} javascript ${rest(name, Buffer.from(stream, "hex"))}`);
}
END_JS
python3 headers.py
paste -d '\0' <(node finding.js) <(venv/bin/python finding.py) | tee output.txt
cat >expected.txt <<'END_TXT'
v2, addresses alone       javascript [GET /], python [GET /]
v2, with a server name    javascript [\x02\x00\x06a.testGET /], python [GET /]
v2, a check with an id    javascript [\x05\x00\x011GET /], python [GET /]
v1, PROXY UNKNOWN         javascript error, python [GET /]
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
