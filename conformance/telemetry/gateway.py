"""The built gateway and what is around it, at addresses that are known."""

import contextlib
import http.server
import subprocess
import threading
import time
import urllib.error
import urllib.request

HOST = "127.0.0.80"
PATIENCE = 30


class Upstream(http.server.BaseHTTPRequestHandler):
    """Has no content for anybody."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    do_PUT = do_GET

    def log_message(self, *_):
        pass


def start_upstream(port):
    upstream = http.server.ThreadingHTTPServer((HOST, port), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    return upstream


def opener():
    """Takes no proxy from the environment."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def wait_until(what, condition):
    until = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < until, f"there is no {what}"
        time.sleep(0.1)
    return found


class Gateway:
    """A gateway that runs until the end of a `with`."""

    def __init__(self, binary, config, admin, *options, environment=None):
        self.admin = f"http://{HOST}:{admin}"
        command = [binary, "serve", config, "--admin", f"{HOST}:{admin}", "--log-level", "warn", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)

    def __enter__(self):
        def is_ready():
            assert self.process.poll() is None, "the gateway does not start"
            with contextlib.suppress(OSError):
                return self.ask("/readyz")

        wait_until("gateway that is ready", is_ready)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE)

    def ask(self, path):
        return opener().open(self.admin + path).read().decode()

    def metric(self, name):
        """The sum of all series of a metric."""
        lines = [line.rsplit(" ", 1) for line in self.ask("/metrics").splitlines() if line[0] != "#"]
        return sum(float(value) for series, value in lines if series.split("{")[0] == name)


def send(port, path="/", headers=None, method="GET"):
    """The status of the answer to a request."""
    request = urllib.request.Request(f"http://{HOST}:{port}{path}", headers=headers or {}, method=method)
    try:
        return opener().open(request).status
    except urllib.error.HTTPError as error:
        return error.code
