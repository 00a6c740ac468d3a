"""Takes the disk, the reader and the collector away from a gateway: requests are served on, and what is lost is told."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

from gateway import HOST, Gateway, send, start_upstream, wait_until

GATEWAY, UPSTREAM, ADMIN = 28080, 28081, 28082
# A path that makes a line long, so that few requests fill what there is.
LONG = "/" + "x" * 8000


@contextlib.contextmanager
def small_disk(folder):
    """A file system with room for 64 KiB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "egret-test", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


class LossesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        start_upstream(UPSTREAM)
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())

    def gateway(self, *options):
        return self.enterContext(Gateway(EGRET, CONFIG, ADMIN, *options))

    def serves_on(self, count=1, path="/"):
        for _ in range(count):
            self.assertEqual(send(GATEWAY, path), 204)

    def is_told(self, gateway, said):
        """The readiness probe and the page say so."""
        ready = wait_until(f"word of {said}", lambda: said in (text := gateway.ask("/readyz")) and text)
        self.assertTrue(ready.startswith("ready\n"), ready)
        self.assertIn(said, gateway.ask("/overview"))

    @unittest.skipUnless(os.geteuid() == 0, "only root mounts")
    def test_a_disk_that_is_full_until_there_is_room(self):
        self.enterContext(small_disk(self.folder))
        log, other = Path(self.folder, "access.log"), Path(self.folder, "other")
        other.write_bytes(bytes(48 * 1024))
        gateway = self.gateway("--access-log-file", log)

        def has_lost():
            self.serves_on(path=LONG)
            return gateway.metric("egret_access_log_dropped_total") > 0

        wait_until("line that is lost", has_lost)
        self.is_told(gateway, f"lines are being lost: the access log {log}: No space left")
        other.unlink()
        self.serves_on()

        def is_whole():
            return "lost" not in gateway.ask("/readyz") and log.read_text().endswith('}\n')

        wait_until("line after the others", is_whole)
        self.assertIn('"path":"/"', log.read_text().splitlines()[-1])

    def test_a_pipe_whose_reader_stalls_until_it_reads_on(self):
        pipe = Path(self.folder, "pipe")
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDWR)
        self.addCleanup(os.close, reader)
        gateway = self.gateway("--access-log-file", pipe)

        def has_lost():
            self.serves_on(20, LONG)
            return gateway.metric("egret_access_log_dropped_total") > 0

        wait_until("line that is lost", has_lost)
        self.is_told(gateway, f"lines are being lost: the access log {pipe}: its reader does not keep up")
        ended = threading.Event()

        def read_on():
            while not ended.is_set():
                os.read(reader, 1 << 20)

        reading = threading.Thread(target=read_on, daemon=True)
        reading.start()
        wait_until("end of the trouble", lambda: "lost" not in gateway.ask("/readyz"))
        ended.set()
        os.write(reader, b"\n")
        reading.join()

    def test_a_collector_that_is_not_there(self):
        gateway = self.gateway("--otlp-metrics-endpoint", f"grpc://{HOST}:1", "--otlp-metrics-interval", "1s")
        self.is_told(gateway, "telemetry is being lost: --otlp-metrics-endpoint")
        self.assertGreater(gateway.metric("egret_otlp_dropped_total"), 0)
        self.serves_on()

    def test_a_collector_that_never_answers(self):
        silent = self.enterContext(socket.create_server((HOST, 0)))
        endpoint = f"http://{HOST}:{silent.getsockname()[1]}"
        gateway = self.gateway("--otlp-metrics-endpoint", endpoint, "--otlp-metrics-interval", "1s")
        self.is_told(gateway, "telemetry is being lost: --otlp-metrics-endpoint")
        self.assertGreater(gateway.metric("egret_otlp_dropped_total"), 0)
        self.serves_on()


EGRET, CONFIG = sys.argv[1:3]
if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
