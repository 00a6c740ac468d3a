"""Starts the services, the upstream and the gateway, and checks what the services are told of an exchange."""

import asyncio
import concurrent.futures
import queue
import sys
import threading
import time
import unittest

import grpc
import grpclib.server
from envoy_data_plane.envoy.config.core.v3 import RequestMethod
from envoy_data_plane.envoy.data.accesslog.v3 import AccessLogType, HttpAccessLogEntryHttpVersion
from envoy_data_plane.envoy.service.accesslog.v3 import AccessLogServiceBase, StreamAccessLogsResponse
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway import HOST, PATIENCE, Gateway, send, start_upstream

GATEWAY, UPSTREAM, COLLECTOR, ALS, ADMIN = 18080, 18081, 14317, 18090, 18082


class Collector(logs_service_pb2_grpc.LogsServiceServicer):
    def __init__(self):
        self.requests = queue.Queue()

    def Export(self, request, context):
        self.requests.put((request, dict(context.invocation_metadata())))
        return logs_service_pb2.ExportLogsServiceResponse()


class TraceCollector(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self):
        self.requests = queue.Queue()

    def Export(self, request, context):
        self.requests.put(request)
        return trace_service_pb2.ExportTraceServiceResponse()


class LogService(AccessLogServiceBase):
    def __init__(self):
        self.messages = queue.Queue()

    async def stream_access_logs(self, messages):
        async for message in messages:
            self.messages.put(message)
        return StreamAccessLogsResponse()


def start_log_service(service):
    loop = asyncio.new_event_loop()

    async def serve():
        server = grpclib.server.Server([service])
        await server.start(HOST, ALS)
        await server.wait_closed()

    threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True).start()


class TelemetryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.collector, cls.log_service, cls.traces = Collector(), LogService(), TraceCollector()
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        logs_service_pb2_grpc.add_LogsServiceServicer_to_server(cls.collector, server)
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(cls.traces, server)
        server.add_insecure_port(f"{HOST}:{COLLECTOR}")
        server.start()
        cls.server = server
        start_log_service(cls.log_service)
        start_upstream(UPSTREAM)
        cls.gateway = cls.enterClassContext(Gateway(EGRET, CONFIG, ADMIN))

    @classmethod
    def tearDownClass(cls):
        cls.server.stop(0)

    def test_both_are_told_of_an_exchange(self):
        headers = {"X-Team": "red", "User-Agent": "probe"}
        self.assertEqual(send(GATEWAY, "/p?secret=1", headers, "PUT"), 204)

        exported, metadata = self.collector.requests.get(timeout=PATIENCE)
        self.assertEqual(metadata["x-token"], "t")
        [resource_logs] = exported.resource_logs
        attributes = {item.key: item.value.string_value for item in resource_logs.resource.attributes}
        self.assertEqual(attributes["log_name"], "egress")
        self.assertEqual(attributes["service.name"], "egret")
        self.assertEqual(attributes["deployment"], "test")
        [scope_logs] = resource_logs.scope_logs
        self.assertEqual(scope_logs.scope.name, "egret")
        [record] = scope_logs.log_records
        self.assertEqual(record.body.string_value, "PUT 204")
        [flags] = record.attributes
        self.assertEqual([item.string_value for item in flags.value.array_value.values], ["-", "HTTP/1.1"])
        self.assertAlmostEqual(record.time_unix_nano / 1e9, time.time(), delta=PATIENCE)

        [resource_spans] = self.traces.requests.get(timeout=PATIENCE).resource_spans
        attributes = {item.key: item.value.string_value for item in resource_spans.resource.attributes}
        self.assertEqual(attributes["service.name"], "http.egress")
        [scope_spans] = resource_spans.scope_spans
        server, client = scope_spans.spans
        self.assertEqual((server.kind, client.kind), (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT))
        self.assertEqual(client.parent_span_id, server.span_id)
        self.assertEqual(record.trace_id, server.trace_id)
        attributes = {item.key: item.value for item in server.attributes}
        self.assertEqual(attributes["http.url"].string_value, f"http://{HOST}:{GATEWAY}/p")
        self.assertEqual(attributes["http.response.status_code"].int_value, 204)
        self.assertLess(server.start_time_unix_nano, server.end_time_unix_nano)

        message = self.log_service.messages.get(timeout=PATIENCE)
        self.assertEqual(message.identifier.log_name, "egress")
        [entry] = message.http_logs.log_entry
        self.assertEqual(entry.protocol_version, HttpAccessLogEntryHttpVersion.HTTP11)
        self.assertEqual(entry.request.request_method, RequestMethod.PUT)
        self.assertEqual(entry.request.path, "/p")
        self.assertEqual(entry.request.user_agent, "probe")
        self.assertEqual(entry.request.request_headers, {"x-team": "red"})
        self.assertEqual(entry.response.response_code, 204)
        self.assertEqual(entry.response.response_code_details, "via_upstream")
        self.assertIn("server", entry.response.response_headers)
        common = entry.common_properties
        self.assertEqual(common.access_log_type, AccessLogType.DownstreamEnd)
        self.assertEqual(common.upstream_remote_address.socket_address.port_value, UPSTREAM)
        self.assertEqual(common.upstream_cluster, "egress/upstream")
        self.assertEqual(common.custom_tags["verdict"], "allow")
        self.assertGreater(common.duration.total_seconds(), 0)


EGRET, CONFIG = sys.argv[1:3]
if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
