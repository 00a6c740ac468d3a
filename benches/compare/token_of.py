"""A JWT (RS256) that is valid for a day, and the JWKS with its key."""

import base64
import json
import re
import subprocess
import time


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed_token(folder):
    """The JWKS as text, and the token. The keys stay in `folder`, as jwt.key and jwt.pub."""

    def openssl(*words, **more):
        return subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder, **more).stdout

    openssl("genrsa", "-out", "jwt.key", "2048")
    openssl("rsa", "-in", "jwt.key", "-pubout", "-out", "jwt.pub")
    (folder / "jwt.pub").chmod(0o644)
    modulus = openssl("rsa", "-in", "jwt.key", "-noout", "-modulus").decode()
    number = bytes.fromhex(re.search(r"=([0-9A-F]+)", modulus)[1])
    key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "bench", "n": base64url(number), "e": "AQAB"}
    head = {"alg": "RS256", "typ": "JWT", "kid": "bench"}
    claims = {"iss": "https://issuer.test", "aud": "egress", "sub": "bench", "exp": int(time.time()) + 86400}
    text = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
    signature = openssl("dgst", "-sha256", "-sign", "jwt.key", input=text.encode())
    return json.dumps({"keys": [key]}), f"{text}.{base64url(signature)}"
