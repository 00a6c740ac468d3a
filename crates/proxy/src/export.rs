//! What is told to services that collect telemetry, on its way: each box of a worker's outbox is emptied by a task.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use egret_config::policy::service::CollectorProtocol;
use http::Request;
use http::header::{CONTENT_TYPE, HeaderValue};
use prost::Message;
use tokio::time::timeout;

use crate::context::WorkerContext;
use crate::message::grpc::unary;
use crate::task;
use crate::telemetry::envoy_log::{self, STREAM_ACCESS_LOGS};
use crate::telemetry::otlp::{self, EXPORT_LOGS, EXPORT_METRICS, EXPORT_SPANS};
use crate::telemetry::outbox::{Mailbox, OutboxAddress, ParcelSize};
use crate::upstream::CallError;

/// The type of messages over HTTP (OTLP/HTTP).
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
/// Longest time for what waits when a worker ends.
const LAST_CALLS: Duration = Duration::from_secs(2);

/// Sends what is posted to the outbox of a worker.
pub(crate) async fn run(context: &Rc<WorkerContext>) -> Infallible {
    loop {
        let mailbox = context.telemetry.outbox().begun().await;
        let context = Rc::clone(context);
        task::spawn(Box::pin(async move {
            let emptied = async || empty(&context, &mailbox).await;
            task::restarting("an export of telemetry", emptied).await;
        }));
    }
}

/// Waits until what was posted is sent, if that does not take long.
pub(crate) async fn finish(context: &WorkerContext) {
    // What has not been sent then is lost.
    let _ = timeout(LAST_CALLS, context.telemetry.outbox().finish()).await;
}

async fn empty(context: &Rc<WorkerContext>, mailbox: &Rc<Mailbox>) {
    let outbox = context.telemetry.outbox();
    loop {
        outbox.is_due(mailbox).await;
        let entries = mailbox.take();
        if entries.is_empty() {
            if outbox.leave(mailbox) {
                return;
            }
            continue;
        }
        let size = ParcelSize::of(&entries);
        let sent = send(context, &mailbox.to, entries).await;
        let error = sent.err().map(|error| error.to_string());
        outbox.settle(&mailbox.to, size, error.as_deref());
    }
}

async fn send(
    context: &Rc<WorkerContext>,
    to: &OutboxAddress,
    entries: Vec<Vec<u8>>,
) -> Result<(), CallError> {
    match to {
        OutboxAddress::OpenTelemetry(log) => {
            let request = otlp::export_logs(log, entries);
            call(context, to, EXPORT_LOGS, &request).await
        }
        OutboxAddress::Traces(tracing) => {
            let request = otlp::export_spans(tracing, entries);
            call(context, to, EXPORT_SPANS, &request).await
        }
        OutboxAddress::Metrics(_) => {
            let request = otlp::export_metrics(entries);
            call(context, to, EXPORT_METRICS, &request).await
        }
        OutboxAddress::HttpLog(log) => {
            let message = envoy_log::message(log, entries, false);
            call(context, to, STREAM_ACCESS_LOGS, &message).await
        }
        OutboxAddress::TcpLog(log) => {
            let message = envoy_log::message(log, entries, true);
            call(context, to, STREAM_ACCESS_LOGS, &message).await
        }
    }
}

async fn call(
    context: &Rc<WorkerContext>,
    to: &OutboxAddress,
    method: &str,
    message: &impl Message,
) -> Result<(), CallError> {
    let collector = to.collector();
    let service = &collector.service;
    let mut request = match &collector.protocol {
        CollectorProtocol::Grpc => {
            unary::request(&service.authority, method, message, service.timeout)?
        }
        CollectorProtocol::Http(path) => {
            Request::post(format!("http://{}{path}", service.authority))
                .header(CONTENT_TYPE, PROTOBUF)
                .body(Bytes::from(message.encode_to_vec()))?
        }
    };
    let metadata = collector.metadata.iter().cloned();
    request.headers_mut().extend(metadata);
    let (snapshot, upstreams) = (context.snapshot(), &context.upstreams);
    match collector.protocol {
        CollectorProtocol::Grpc => upstreams.tell_grpc(&snapshot, service, request).await,
        CollectorProtocol::Http(_) => {
            let answer = upstreams.call_http(&snapshot, service, request).await?;
            let status = answer.status();
            if status.is_success() {
                Ok(())
            } else {
                Err(CallError::Status(status))
            }
        }
    }
}
