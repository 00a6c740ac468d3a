#!/usr/bin/env bash
# botocore 1.44.8 and google-auth 2.63.0: with http_proxy set, the requests for the metadata of the machine go to the proxy.
#
# Both libraries look for credentials at an address of the machine they run on, link-local by default, which no proxy can
# reach for them: the proxy's machine has metadata of its own. One would expect them to leave http_proxy aside there.
# Instead a gateway sees a PUT and a GET of AWS's library, and the GET by which google-auth finds out whether it runs in
# Google's cloud, from every program whose NO_PROXY lacks the address. In the log of an egress gateway these are refused
# requests for the metadata service by programs that mean no harm. The names of the two services are replaced here by
# names that do not exist, so that nothing could be sent without the proxy.
#
# Seen:
#   botocore: PUT http://imds.test/latest/api/token
#   botocore: GET http://imds.test/latest/meta-data/iam/security-credentials/
#   google-auth: GET http://ping.test/
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet botocore==1.44.8 urllib3==2.8.0 google-auth==2.63.0 requests==2.34.2
cat >finding.py <<'END_PY'
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

for name in list(os.environ):
    if name.lower().endswith("_proxy") or name.startswith(("AWS_", "GOOGLE_", "GCE_")):
        del os.environ[name]
seen = []


class Proxy(BaseHTTPRequestHandler):
    def do_GET(self):
        seen.append(f"{self.command} {self.path}")
        self.send_error(403)

    do_PUT = do_GET

    def log_message(self, *_):
        pass


proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=proxy.serve_forever, daemon=True).start()
os.environ["http_proxy"] = f"http://127.0.0.1:{proxy.server_port}"
os.environ["HOME"] = os.getcwd()  # where no credentials are
os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://imds.test"
os.environ["GCE_METADATA_HOST"] = "metadata.test"
os.environ["GCE_METADATA_IP"] = "ping.test"
import botocore.session
import google.auth
import google.auth.exceptions


def with_google_auth():
    try:
        google.auth.default()
    except google.auth.exceptions.DefaultCredentialsError:
        pass


for name, find in {"botocore": lambda: botocore.session.Session().get_credentials(), "google-auth": with_google_auth}.items():
    seen.clear()
    find()
    for line in dict.fromkeys(seen):
        print(f"{name}: {line}")
END_PY
venv/bin/python finding.py 2>/dev/null | tee output.txt
cat >expected.txt <<'END_TXT'
botocore: PUT http://imds.test/latest/api/token
botocore: GET http://imds.test/latest/meta-data/iam/security-credentials/
google-auth: GET http://ping.test/
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
