//! Copies of requests to other backends (`RequestMirror`). Their answers are read and thrown away, and whatever becomes of
//! them changes nothing for the request itself.
//!
//! A copy takes the way of every request: the policies, the egress check, DNS, the limits and the pool of its destination.
//! Its body is copied while it passes, and no faster than the request itself is sent.

use std::borrow::Cow;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use egret_config::policy::request_mirror::MirrorHost;
use egret_config::snapshot::{
    BackendDestination, RequestMirror, RouteRule, RouteTimeouts, TimeoutSetting, WeightedBackend,
};
use http::HeaderValue;
use http::header::{EXPECT, HOST};
use http::request::Parts;
use http_body_util::BodyExt as _;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::RequestClient;
use super::send::{HeadOrigin, prepare};
use crate::clock;
use crate::context::WorkerContext;
use crate::exchange::Progress;
use crate::message::target::Target;
use crate::plan::{ForwardPlan, PlannedRoute};
use crate::policy::transformation::TransformedHead;
use crate::policy::{self, ClientIdentity, PolicyContext};
use crate::record::Trip;
use crate::task;
use crate::transfer::CopyLimits;
use crate::upstream::{
    ClientMemo, MirrorResult, OutgoingRequest, RequestBody, SendOptions, UpstreamBody,
    UpstreamReply,
};

/// How long the answer to a copy is read, so that its connection can be used again.
const MAX_DISCARD_TIME: Duration = Duration::from_secs(10);
/// How much of it is read.
const MAX_DISCARD_BYTES: usize = 1 << 20;

/// A request of which copies are made, before anything is changed for its own upstream.
pub(super) struct MirroredRequest<'a> {
    pub(super) target: &'a Target,
    pub(super) rule: &'a Arc<RouteRule>,
    /// The reference to the backend that the request itself goes to.
    pub(super) chosen: &'a WeightedBackend,
    /// The path prefix that the rule matched.
    pub(super) matched_prefix: Option<&'a str>,
    pub(super) parts: &'a Parts,
    /// What templates made of its head.
    pub(super) transformed: Option<&'a Rc<TransformedHead>>,
}

/// One copy, which has its own task and holds what it needs to the end.
struct RequestCopy {
    target: Target,
    rule: Arc<RouteRule>,
    mirror: Arc<RequestMirror>,
    matched_prefix: Option<String>,
    parts: Parts,
    transformed: Option<Rc<TransformedHead>>,
    body: RequestBody,
    progress: Rc<Progress>,
    client: Rc<ClientIdentity>,
    context: Rc<WorkerContext>,
}

/// Starts the copies of a request that the mirrors of its rule take, and those of the backend that was chosen for it.
pub(super) fn start(
    &MirroredRequest {
        target,
        rule,
        chosen,
        matched_prefix,
        parts,
        transformed,
    }: &MirroredRequest<'_>,
    body: &mut RequestBody,
    client: &RequestClient,
) {
    let connection = &client.connection;
    for mirror in rule.mirrors.iter().chain(&chosen.mirrors) {
        if !mirror.share.includes(|below| rand::random_range(0..below)) {
            continue;
        }
        let idle_timeout = client.exchange.progress().idle_timeout();
        let progress = Rc::new(Progress::new(clock::now(), idle_timeout));
        let limits = CopyLimits {
            budget: Rc::clone(&connection.context.copies),
            overflowed: Rc::default(),
        };
        let copy = RequestCopy {
            target: target.clone(),
            rule: Arc::clone(rule),
            mirror: Arc::clone(mirror),
            matched_prefix: matched_prefix.map(str::to_owned),
            parts: parts.clone(),
            transformed: transformed.cloned(),
            body: body.copied(Rc::clone(&progress), &limits),
            progress,
            client: Rc::clone(client.exchange.identity()),
            context: Rc::clone(&connection.context),
        };
        task::spawn(Box::pin(copy.run(limits.overflowed)));
    }
}

impl RequestCopy {
    async fn run(self, overflowed: Rc<Notify>) {
        let metrics = Arc::clone(&self.context.upstreams.metrics);
        let result = tokio::select! {
            biased;
            () = overflowed.notified() => MirrorResult::Overflowed,
            sent = self.send() => sent.err().unwrap_or(MirrorResult::Answered),
        };
        metrics.mirrored.increment(result);
    }

    /// Sends the copy, and reads its answer.
    async fn send(self) -> Result<(), MirrorResult> {
        let Self {
            target,
            rule,
            mirror,
            matched_prefix,
            mut parts,
            transformed,
            body,
            progress,
            client,
            context,
        } = self;
        // The policies are asked again, because the copy is another request, but nothing is counted twice.
        let request = PolicyContext {
            rule: &rule,
            target: &target,
            request: &parts,
            client: &client,
            credentials: context.upstreams.credentials(),
            asked_before: true,
        };
        let admitted = policy::readmit(&request).ok_or(MirrorResult::Refused)?;
        let host = rule.policies.request_mirror.value();
        let host = host.map_or(&MirrorHost::Shadow, |host| host);
        let target = directed(&target, &mirror, host);
        let route = PlannedRoute::new(&rule, matched_prefix.as_deref());
        let plan = ForwardPlan::new(&target, &route, &mirror.backend, &parts)?;
        let mut plan = Box::new(plan);
        context.upstreams.choose_host(&mut plan);
        let mut cleared = admitted.clear_uncounted(plan, &request)?.cleared;
        if let Some(head) = transformed {
            cleared.transform(head)?;
        }
        let filters = [&rule.filters, &mirror.backend.filters];
        let from = HeadOrigin::new(&client, &context);
        prepare(&mut parts, &body, &cleared, filters, from);
        parts.headers.remove(EXPECT);
        mark(&mut parts, &mirror, host);
        let trip = Trip::default();
        let options = SendOptions {
            timeouts: bounded(rule.timeouts),
            retry: None,
            upgrade: false,
            progress: &progress,
            trip: &trip,
            memo: &ClientMemo::default(),
        };
        let request = OutgoingRequest::of(parts, body);
        match context.upstreams.send(cleared, request, options).await? {
            UpstreamReply::Response(response) => {
                discard(response.into_body()).await;
                Ok(())
            }
            UpstreamReply::Switched { .. } => Err(MirrorResult::Failed),
        }
    }
}

/// The timeouts of the rule, but that no copy waits for ever.
fn bounded(timeouts: RouteTimeouts) -> RouteTimeouts {
    let bounded = |setting| match setting {
        TimeoutSetting::Never => TimeoutSetting::Default,
        other => other,
    };
    RouteTimeouts {
        request: bounded(timeouts.request),
        backend_request: bounded(timeouts.backend_request),
        stream_idle: bounded(timeouts.stream_idle),
    }
}

/// Where a copy wants to go: to the host that a policy says, if its host decides where it goes.
fn directed<'t>(target: &'t Target, mirror: &RequestMirror, host: &MirrorHost) -> Cow<'t, Target> {
    match (host, &mirror.backend.destination) {
        (MirrorHost::Literal(literal), BackendDestination::Dynamic(_)) => Cow::Owned(Target {
            host: literal.host.clone(),
            port: literal.port,
            ..target.clone()
        }),
        _ => Cow::Borrowed(target),
    }
}

/// Writes the `Host` of a copy. Where the host decides the destination, there is no other host than that.
fn mark(parts: &mut Parts, mirror: &RequestMirror, host: &MirrorHost) {
    let is_dynamic = matches!(mirror.backend.destination, BackendDestination::Dynamic(_));
    let known = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let marked = known.and_then(|known| host.of(known));
    let may_mark = !is_dynamic || matches!(host, MirrorHost::Literal(_));
    if let Some(Ok(marked)) = marked.filter(|_| may_mark).map(HeaderValue::try_from) {
        parts.headers.insert(HOST, marked);
    }
}

/// Reads an answer to its end, if that is near, so that the connection can be used again.
async fn discard(body: UpstreamBody) {
    let mut body = pin!(body);
    let mut left = MAX_DISCARD_BYTES;
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, bytes::Bytes::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // The connection is closed with what is left of the answer.
    let _ = timeout(MAX_DISCARD_TIME, read).await;
}
