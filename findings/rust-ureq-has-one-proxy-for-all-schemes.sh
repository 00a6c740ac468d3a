#!/usr/bin/env bash
# ureq 3.5.2 (Rust): of HTTP_PROXY and HTTPS_PROXY the second is the proxy of both schemes, and ALL_PROXY comes before both.
#
# By their names, and for curl, the variables are for the scheme of the URL, and ALL_PROXY is for schemes that have none of
# their own. ureq takes the first that is set of ALL_PROXY, HTTPS_PROXY and HTTP_PROXY, in capitals and then in small letters,
# for every request. Where two gateways are set, one of which is for http alone, requests to http go to the other, and where
# ALL_PROXY names a last resort, such as a SOCKS server, it is what everything goes through. It asks for a tunnel to http
# too, so that rules for methods and paths do not bind. curl is beside it.
#
# Seen (which proxy is asked, and for what, by a GET of http://a.test/):
#   http_proxy                         curl http_proxy GET, ureq http_proxy CONNECT
#   http_proxy, https_proxy            curl http_proxy GET, ureq https_proxy CONNECT
#   http_proxy, all_proxy              curl http_proxy GET, ureq all_proxy CONNECT
#   https_proxy                        curl direct, ureq https_proxy CONNECT
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
unset CARGO_TARGET_DIR RUSTFLAGS
mkdir src
cat >Cargo.toml <<'END_TOML'
[package]
name = "finding"
edition = "2024"

[dependencies]
ureq = { version = "=3.5.2", default-features = false }
END_TOML
cat >src/main.rs <<'END_RS'
fn main() {
    let _ = ureq::get("http://a.test/").call();
}
END_RS
cargo build --quiet
cat >finding.py <<'END_PY'
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

asked = []


class Proxy(BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(f"{self.server.variable} {self.command}")
        self.send_error(403)

    do_CONNECT = do_GET

    def log_message(self, *_):
        pass


others = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
proxies = {}
for variable in ["http_proxy", "https_proxy", "all_proxy"]:
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    proxy.variable = variable
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    proxies[variable] = f"http://127.0.0.1:{proxy.server_port}"
clients = {"curl": ["curl", "--silent", "http://a.test/"], "ureq": ["target/debug/finding"]}
for names in [["http_proxy"], ["http_proxy", "https_proxy"], ["http_proxy", "all_proxy"], ["https_proxy"]]:
    outcomes = []
    for client, command in clients.items():
        asked.clear()
        environment = others | {name: proxies[name] for name in names}
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL)
        outcomes.append(f"{client} {asked[0] if asked else 'direct'}")
    print(f"{', '.join(names):34} {', '.join(outcomes)}")
END_PY
python3 finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
http_proxy                         curl http_proxy GET, ureq http_proxy CONNECT
http_proxy, https_proxy            curl http_proxy GET, ureq https_proxy CONNECT
http_proxy, all_proxy              curl http_proxy GET, ureq all_proxy CONNECT
https_proxy                        curl direct, ureq https_proxy CONNECT
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
