"""Has the OpenTelemetry collector print what it understands of the gateway's logs, metrics and spans."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from gateway import HOST, PATIENCE, Gateway, send, start_upstream, wait_until

GATEWAY, UPSTREAM, ADMIN = 28080, 28081, 28082
GRPC, HTTP = f"grpc://{HOST}:24317", f"http://{HOST}:24318"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@contextlib.contextmanager
def otelcol(output):
    command = [OTELCOL, "--config", Path(OTELCOL_CONFIG).absolute()]
    process = subprocess.Popen(command, stdout=output)
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


class CollectorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        start_upstream(UPSTREAM)

    def printed(self, endpoint):
        """What the collector has printed when metrics of a request were pushed there, and its log and its span."""
        environment = {**os.environ, "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test%20bed"}
        options = ["--otlp-metrics-endpoint", endpoint, "--otlp-metrics-interval", "1s"]
        with tempfile.NamedTemporaryFile() as output, otelcol(output):
            with Gateway(EGRET, CONFIG, ADMIN, *options, environment=environment) as gateway:
                headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
                self.assertEqual(send(GATEWAY, "/p?secret=1", headers), 204)

                def whole():
                    text = Path(output.name).read_text()
                    wanted = ["Name: egret_responses_total", "LogRecord #0", "Span #1"]
                    return text if all(word in text for word in wanted) else None

                wait_until("log, span and metric", whole)
                self.assertNotIn("lost", gateway.ask("/readyz"))
            # The last values are told when the gateway ends.
            return Path(output.name).read_text()

    def check(self, text):
        self.assertIn("Body: Str(GET 204)", text)
        self.assertIn("-> verdict: Str(allow)", text)
        _, record = text.split("LogRecord #0", 1)
        self.assertRegex(record.split("Resource")[0], rf"Trace ID: {TRACE}")
        spans = re.findall(rf"Span #\d\n +Trace ID +: {TRACE}\n", text)
        self.assertEqual(len(spans), 2, "that of the request, and that of the way to the upstream")
        self.assertIn("-> service.name: Str(edge)", text)
        self.assertIn(f"-> http.url: Str(http://{HOST}:{GATEWAY}/p)", text)
        self.assertNotIn("secret", text)
        self.assertIn("-> service.name: Str(egret)", text)
        self.assertIn("-> deployment.environment.name: Str(test bed)", text)
        _, responses = text.rsplit("Name: egret_responses_total", 1)
        responses = responses.split("Descriptor:")[0]
        self.assertIn("DataType: Sum", responses)
        self.assertIn("IsMonotonic: true", responses)
        self.assertIn("AggregationTemporality: Cumulative", responses)
        self.assertIn("-> code: Str(204)", responses)
        self.assertIn("Value: 1", responses)
        _, duration = text.rsplit("Name: egret_request_duration_seconds", 1)
        duration = duration.split("Descriptor:")[0]
        self.assertIn("DataType: Histogram", duration)
        self.assertIn("Count: 1", duration)
        self.assertIn("ExplicitBounds #13: 60", duration)
        self.assertRegex(duration, rf"Trace ID *: {TRACE}")

    def test_over_grpc(self):
        self.check(self.printed(GRPC))

    def test_over_http(self):
        self.check(self.printed(HTTP))


EGRET, CONFIG, OTELCOL, OTELCOL_CONFIG = sys.argv[1:5]
if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
