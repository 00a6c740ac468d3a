#!/usr/bin/env bash
# PyJWT 2.13.0: PyJWKClient finds no key for a token without `kid`, and none in a set whose keys have no `kid`.
#
# `kid` is optional in tokens (RFC 7515 4.1.4) and in keys (RFC 7517 4.5), and an issuer with one key has no need of it. jose
# 6.2.18 and jwks-rsa 4.1.0 take the only key that there is. PyJWKClient leaves keys without a name out before it looks, says that the
# set had no signing keys, and compares the name of a key with that of the token even where the token has none, so that an
# issuer with one key is verified by a gateway and the services of other languages, and refused by those in Python.
#
# Seen:
#   key without kid, token without kid: PyJWT: The JWKS endpoint did not contain any signing keys; jose verified; jwks-rsa verified
#   key with kid, token without kid: PyJWT: Unable to find a signing key that matches: "None"; jose verified; jwks-rsa verified
#   key with kid, token with kid: PyJWT verified; jose verified; jwks-rsa verified
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet PyJWT==2.13.0 cryptography==50.0.2
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit jose@6.2.18 jwks-rsa@4.1.0
cat >finding.js <<'END_JS'
const [url, token] = process.argv.slice(2);
(async () => {
  const jose = await import("jose");
  const told = async (name, verify) => {
    try {
      await verify();
      return `${name} verified`;
    } catch (error) {
      return `${name}: ${error.message}`;
    }
  };
  const byJose = () => jose.jwtVerify(token, jose.createRemoteJWKSet(new URL(url)));
  const byJwksRsa = async () => {
    const client = require("jwks-rsa")({ jwksUri: url });
    const key = await client.getSigningKey(jose.decodeProtectedHeader(token).kid);
    await jose.jwtVerify(token, await jose.importSPKI(key.getPublicKey(), "RS256"));
  };
  console.log(`${await told("jose", byJose)}; ${await told("jwks-rsa", byJwksRsa)}`);
})();
END_JS
cat >finding.py <<'END_PY'
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
sets = {"/without": [public], "/with": [{**public, "kid": "one"}]}


class Issuer(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"keys": sets[self.path]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def with_pyjwt(url, token):
    try:
        found = jwt.PyJWKClient(url).get_signing_key_from_jwt(token)
        jwt.decode(token, found.key, algorithms=["RS256"])
        return "PyJWT verified"
    except jwt.PyJWTError as error:
        return f"PyJWT: {error}"


issuer = ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
threading.Thread(target=issuer.serve_forever, daemon=True).start()
for in_set, in_token in [("without", "without"), ("with", "without"), ("with", "with")]:
    header = {"kid": "one"} if in_token == "with" else {}
    token = jwt.encode({"sub": "a"}, key, "RS256", headers=header)
    url = f"http://127.0.0.1:{issuer.server_port}/{in_set}"
    others = subprocess.run(["node", "finding.js", url, token], check=True, capture_output=True, text=True)
    print(f"key {in_set} kid, token {in_token} kid: {with_pyjwt(url, token)}; {others.stdout.strip()}")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
key without kid, token without kid: PyJWT: The JWKS endpoint did not contain any signing keys; jose verified; jwks-rsa verified
key with kid, token without kid: PyJWT: Unable to find a signing key that matches: "None"; jose verified; jwks-rsa verified
key with kid, token with kid: PyJWT verified; jose verified; jwks-rsa verified
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
