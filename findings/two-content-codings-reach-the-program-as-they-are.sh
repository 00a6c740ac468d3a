#!/usr/bin/env bash
# aiohttp 3.14.5, axios 1.21.1 and got 14.6.6: a body with two content codings is handed to the program undecoded.
#
# Content-Encoding is a list, in the order in which the codings were applied (RFC 9110 section 8.4). Each of these clients
# decodes `deflate` and `gzip` alone, and compares the whole field with the names that it knows, so `deflate, gzip` is a
# coding that it does not know: the program gets compressed bytes with status 200 and no error. A gateway that compresses
# must therefore leave a response alone that has a coding already, even one that its client accepts. requests 2.34.2,
# httpx 0.28.1 and undici 7.30.2 undo both codings.
#
# Seen:
#   requests  decoded
#   httpx     decoded
#   aiohttp   compressed
#   undici    decoded
#   axios     compressed
#   got       compressed
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet httpx==0.28.1 httpcore==1.0.9 requests==2.34.2 urllib3==2.8.0 aiohttp==3.14.5
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit undici@7.30.2 axios@1.21.1 got@14.6.6
cat >finding.mjs <<'END_JS'
import axios from "axios";
import got from "got";
import { fetch } from "undici";

const [client, url] = process.argv.slice(2);
const clients = {
  undici: async () => Buffer.from(await (await fetch(url)).arrayBuffer()),
  axios: async () => (await axios.get(url, { responseType: "arraybuffer" })).data,
  got: async () => (await got(url, { responseType: "buffer" })).body,
};
process.stdout.write(await clients[client]());
END_JS
cat >finding.py <<'END_PY'
import asyncio
import gzip
import os
import subprocess
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aiohttp
import httpx
import requests

for name in list(os.environ):
    if name.lower().endswith("_proxy"):
        del os.environ[name]
CONTENT = b"content " * 20
BODY = gzip.compress(zlib.compress(CONTENT))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Encoding", "deflate, gzip")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


async def with_aiohttp():
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            return await response.read()


def with_node(name):
    return subprocess.run(["node", "finding.mjs", name, url], check=True, capture_output=True).stdout


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"
clients = {
    "requests": lambda: requests.get(url).content,
    "httpx": lambda: httpx.get(url).content,
    "aiohttp": lambda: asyncio.run(with_aiohttp()),
    "undici": lambda: with_node("undici"),
    "axios": lambda: with_node("axios"),
    "got": lambda: with_node("got"),
}
for name, get in clients.items():
    print(f"{name:9} {({CONTENT: 'decoded', BODY: 'compressed'}).get(get(), 'something else')}")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
requests  decoded
httpx     decoded
aiohttp   compressed
undici    decoded
axios     compressed
got       compressed
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
