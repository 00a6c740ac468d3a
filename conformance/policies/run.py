"""Starts the services, the upstream and the gateway, and checks what becomes of requests that the services decide about."""

import concurrent.futures
import datetime
import http.client
import http.server
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

import betterproto2
import grpc
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from envoy_data_plane.envoy.config.core.v3 import HeaderValue, HeaderValueOption
from envoy_data_plane.envoy.service.auth.v3 import CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse
from envoy_data_plane.envoy.service.ext_proc.v3 import (
    BodyMutation,
    BodyResponse,
    CommonResponse,
    HeaderMutation,
    HeadersResponse,
    ImmediateResponse,
    ProcessingRequest,
    ProcessingResponse,
)
from envoy_data_plane.envoy.type.v3 import HttpStatus, StatusCode
from envoy_data_plane.google.rpc import Status

HOST = "127.0.0.81"
GATEWAY, UPSTREAM, ADMIN, SERVICES = 18080, 18081, 18082, 18083
RATELIMIT, RATELIMIT_HTTP, RATELIMIT_DEBUG, REDIS = 18084, 18085, 18086, 16379
KEYS, STRANGER = 18087, 18088
KEYS_HOST = "keys.example"
PATIENCE = 60
PERMISSION_DENIED = 7


def option(name, value):
    return HeaderValueOption(header=HeaderValue(key=name, value=value))


def check(request, context):
    """Lets blue requests of ann through, and tells the upstream who sent them."""
    attributes = request.attributes
    asked = attributes.request.http
    assert attributes.context_extensions == {"zone": "blue"}, attributes
    if asked.headers.get("x-user") != "ann" or asked.body == "secret":
        denied = DeniedHttpResponse(status=HttpStatus(code=StatusCode(403)), body="not you", headers=[option("x-why", "user")])
        return CheckResponse(status=Status(code=PERMISSION_DENIED), denied_response=denied)
    headers = [option("x-checked", f"{asked.method} {asked.path}")]
    return CheckResponse(status=Status(code=0), ok_response=OkHttpResponse(headers=headers))


def process(requests, context):
    """Writes bodies of requests in capitals, signs those of responses, and refuses what says so."""
    for request in requests:
        kind, value = betterproto2.which_one_of(request, "request")
        if kind == "request_headers":
            headers = {header.key: header.raw_value.decode() for header in value.headers.headers}
            if "x-refuse" in headers:
                status = HttpStatus(code=StatusCode(451))
                yield ProcessingResponse(immediate_response=ImmediateResponse(status=status, body=b"refused"))
                return
            if "x-leave" in headers:
                return
            mutation = HeaderMutation(set_headers=[option("x-path", headers[":path"])], remove_headers=["x-secret"])
            response = HeadersResponse(response=CommonResponse(header_mutation=mutation))
            yield ProcessingResponse(request_headers=response)
        elif kind == "request_body":
            body = BodyMutation(body=value.body.upper())
            yield ProcessingResponse(request_body=BodyResponse(response=CommonResponse(body_mutation=body)))
        elif kind == "response_headers":
            mutation = HeaderMutation(set_headers=[option("x-seen", "yes")])
            response = HeadersResponse(response=CommonResponse(header_mutation=mutation))
            yield ProcessingResponse(response_headers=response)
        elif kind == "response_body":
            body = BodyMutation(body=value.body + b" signed")
            yield ProcessingResponse(response_body=BodyResponse(response=CommonResponse(body_mutation=body)))


def handlers():
    auth = grpc.unary_unary_rpc_method_handler(check, CheckRequest.parse, bytes)
    processing = grpc.stream_stream_rpc_method_handler(process, ProcessingRequest.parse, bytes)
    return (
        grpc.method_handlers_generic_handler("envoy.service.auth.v3.Authorization", {"Check": auth}),
        grpc.method_handlers_generic_handler("envoy.service.ext_proc.v3.ExternalProcessor", {"Process": processing}),
    )


class Upstream(http.server.BaseHTTPRequestHandler):
    """Answers with the request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.headers.get("transfer-encoding") == "chunked":
            body = b""
            while length := int(self.rfile.readline(), 16):
                body += self.rfile.read(length)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        text = json.dumps({"headers": headers, "body": body.decode()}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Authority:
    """A CA of this run."""

    def __init__(self, name):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate = self.issue(self.name, self.key.public_key(), constraints)

    def issue(self, subject, public_key, extension):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public_key)
        builder = builder.serial_number(x509.random_serial_number()).add_extension(extension, critical=False)
        builder = builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
        return builder.sign(self.key, hashes.SHA256())

    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def server_context(self, folder, host):
        """A context of TLS with a certificate for the host."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        certificate = self.issue(subject, key.public_key(), x509.SubjectAlternativeName([x509.DNSName(host)]))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = tempfile.NamedTemporaryFile(dir=folder, suffix=".pem", delete=False)
        with path:
            path.write(private + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path.name)
        return context


class Issuer:
    """Who signs tokens with a key of its own."""

    def __init__(self, key_id):
        self.key_id = key_id
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def public(self):
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**public, "kid": self.key_id, "use": "sig", "alg": "RS256"}

    def field(self):
        claims = {"iss": "me", "sub": "ann", "exp": int(time.time()) + PATIENCE * 10}
        return "Bearer " + jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": self.key_id})


class KeyServer(http.server.ThreadingHTTPServer):
    """Says the public keys of the issuers that it has at the moment."""

    def __init__(self, port, context, issuers):
        super().__init__((HOST, port), KeyHandler)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.issuers, self.asked = issuers, 0

    def handle_error(self, request, client_address):
        # A client that does not believe the certificate is what a test wants.
        pass


class KeyHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        text = json.dumps({"keys": [issuer.public() for issuer in self.server.issuers]}).encode()
        self.send_response(200 if self.path == "/keys" else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def wait_for(what, is_there, processes):
    until = time.monotonic() + PATIENCE
    while not is_there():
        ended = [process.args[0] for process in processes if process.poll() is not None]
        assert time.monotonic() < until and not ended, f"{what} does not start: {ended}"
        time.sleep(0.1)


def accepts(port):
    try:
        socket.create_connection((HOST, port), 1).close()
        return True
    except OSError:
        return False


def is_ready():
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return opener.open(f"http://{HOST}:{ADMIN}/readyz").status == 200
    except OSError:
        return False


def ask(path, body=None, **headers):
    connection = http.client.HTTPConnection(HOST, GATEWAY, timeout=PATIENCE)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST" if body else "GET", path, body, names)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response, text


class PoliciesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.processes = []
        cls.addClassCleanup(cls.stop)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.start(["redis-server", "--port", str(REDIS), "--bind", HOST, "--save", "", "--dir", folder.name])
        wait_for("Redis", lambda: accepts(REDIS), cls.processes)
        environment = {
            "BACKEND_TYPE": "redis",
            "REDIS_SOCKET_TYPE": "tcp",
            "REDIS_URL": f"{HOST}:{REDIS}",
            "RUNTIME_ROOT": os.path.join(FOLDER, "limits"),
            "RUNTIME_SUBDIRECTORY": "ratelimit",
            "RUNTIME_WATCH_ROOT": "false",
            "DISABLE_STATS": "true",
            "USE_STATSD": "false",
            "LOG_LEVEL": "error",
            "HOST": HOST,
            "PORT": str(RATELIMIT_HTTP),
            "GRPC_HOST": HOST,
            "GRPC_PORT": str(RATELIMIT),
            "DEBUG_HOST": HOST,
            "DEBUG_PORT": str(RATELIMIT_DEBUG),
        }
        cls.start([RATELIMIT_BIN], env={**os.environ, **environment})
        cls.server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
        cls.server.add_generic_rpc_handlers(handlers())
        cls.server.add_insecure_port(f"{HOST}:{SERVICES}")
        cls.server.start()
        cls.addClassCleanup(lambda: cls.server.stop(0).wait())
        upstream = http.server.ThreadingHTTPServer((HOST, UPSTREAM), Upstream)
        threading.Thread(target=upstream.serve_forever, daemon=True).start()
        cls.one, cls.two = Issuer("one"), Issuer("two")
        ca, other = Authority("CA of this run"), Authority("CA that nobody knows")
        cls.keys = cls.start_keys(KEYS, ca.server_context(folder.name, KEYS_HOST))
        cls.stranger = cls.start_keys(STRANGER, other.server_context(folder.name, KEYS_HOST))
        roots = os.path.join(folder.name, "roots.pem")
        with open(roots, "wb") as file:
            file.write(ca.pem())
        config = os.path.join(FOLDER, "egret.yaml")
        serve = [EGRET, "serve", config, "--admin", f"{HOST}:{ADMIN}", "--log-level", "warn"]
        cls.start(serve, env={**os.environ, "SSL_CERT_FILE": roots})
        wait_for("the gateway", is_ready, cls.processes)
        wait_for("the rate limit service", lambda: accepts(RATELIMIT), cls.processes)

    @classmethod
    def start(cls, command, **options):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
        cls.processes.append(process)

    @classmethod
    def start_keys(cls, port, context):
        server = KeyServer(port, context, [cls.one])
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    @classmethod
    def stop(cls):
        for process in reversed(cls.processes):
            process.terminate()
            process.wait(PATIENCE)

    def test_external_authorization(self):
        response, text = ask("/auth?a=b", x_user="ann")
        self.assertEqual(response.status, 200)
        self.assertEqual(json.loads(text)["headers"]["x-checked"], "GET /auth?a=b")
        for refused, text in [ask("/auth", x_user="eve"), ask("/auth", b"secret", x_user="ann")]:
            self.assertEqual((refused.status, text), (403, "not you"))
            self.assertEqual(refused.headers["x-why"], "user")

    def test_external_processing(self):
        response, text = ask("/process?a=b", b"hello", x_secret="s")
        self.assertEqual((response.status, response.headers["x-seen"]), (200, "yes"))
        self.assertTrue(text.endswith(" signed"), text)
        request = json.loads(text.removesuffix(" signed"))
        self.assertEqual(request["body"], "HELLO")
        self.assertEqual(request["headers"]["x-path"], "/process?a=b")
        self.assertNotIn("x-secret", request["headers"])
        pieces = 50
        _, text = ask("/process", (b"x" * 10_000 for _ in range(pieces)))
        self.assertEqual(json.loads(text.removesuffix(" signed"))["body"], "X" * 10_000 * pieces)

    def test_a_service_of_external_processing_refuses_or_leaves(self):
        refused, text = ask("/process", x_refuse="1")
        self.assertEqual((refused.status, text), (451, "refused"))
        self.assertIn("error=http_request_denied", refused.headers["proxy-status"])
        left, text = ask("/process", b"hello", x_leave="1")
        self.assertEqual((left.status, json.loads(text)["body"]), (200, "hello"))

    def test_global_rate_limit(self):
        answers = [ask("/limit")[0] for _ in range(3)]
        self.assertEqual([answer.status for answer in answers], [200, 200, 429])
        self.assertEqual([answer.headers["x-ratelimit-remaining"] for answer in answers], ["1", "0", "0"])
        self.assertIn("2;w=86400", answers[2].headers["x-ratelimit-limit"])
        self.assertIn("premium", answers[2].headers["proxy-status"])

    def test_keys_of_tokens_are_fetched_and_rotated(self):
        def asked_by(issuer):
            return ask("/tokens", authorization=issuer.field())[0].status

        self.assertEqual(ask("/tokens")[0].status, 401)
        self.assertEqual([asked_by(self.one) for _ in range(3)], [200, 200, 200])
        self.assertEqual(self.keys.asked, 1)
        response, text = ask("/tokens", authorization=self.one.field())
        self.assertNotIn("authorization", json.loads(text)["headers"])
        # A token of a key that is not known has the keys fetched again, and those that are gone are not believed any more.
        self.keys.issuers = [self.two]
        self.assertEqual([asked_by(self.two) for _ in range(3)], [200, 200, 200])
        self.assertEqual(self.keys.asked, 2)
        self.assertEqual((asked_by(self.one), asked_by(self.two)), (401, 200))
        self.assertEqual(asked_by(Issuer("two")), 401)

    def test_a_server_of_keys_with_a_certificate_of_another_ca_is_not_believed(self):
        refused, text = ask("/stranger", authorization=self.one.field())
        self.assertEqual((refused.status, text), (401, "Jwks remote fetch is failed"))
        self.assertIn("error=proxy_internal_error", refused.headers["proxy-status"])
        self.assertEqual(self.stranger.asked, 0)


EGRET, FOLDER, RATELIMIT_BIN = sys.argv[1:4]
if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
