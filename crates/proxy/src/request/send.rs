//! The part of a request that leaves: what the policies say of where it goes, what it says there, and what comes back.

use std::rc::Rc;

use bytes::Bytes;
use egret_config::snapshot::Rule;
use http::header::{CONTENT_LENGTH, HeaderValue, TE, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Request, Response, Version};
use http_body::Body as _;

use super::Client;
use crate::body::{RequestBody, ResponseBody};
use crate::message::hop::{Forwarded, takes_trailers};
use crate::message::target::Target;
use crate::message::upgrade::Wanted;
use crate::plan::Plan;
use crate::policy;
use crate::policy::credentials::Caller;
use crate::refusal::Refusal;
use crate::tunnel::live::Facts;
use crate::tunnel::{Held, Kind, Tunnel};
use crate::upstream::{Reply, Sending};
use crate::worker::Current;

/// Whose request it is, and what was decided about it.
pub(super) struct Chosen<'a> {
    pub(super) target: &'a Target,
    pub(super) rule: &'a Rule,
    pub(super) caller: Option<Caller<'a>>,
    /// Boxed: it goes through many hands.
    pub(super) plan: Box<Plan<'a>>,
    pub(super) wanted: Option<Box<Wanted>>,
}

/// Sends a request where it goes, and gives the response.
///
/// # Errors
/// Every reason not to, and every way in which an upstream can fail to answer.
pub(super) async fn forward(
    Chosen {
        target,
        rule,
        caller,
        mut plan,
        wanted,
    }: Chosen<'_>,
    snapshot: &Current,
    mut parts: Parts,
    body: RequestBody,
    client: &Client,
) -> Result<Response<ResponseBody>, Refusal> {
    let Client {
        connection,
        exchange,
        ..
    } = client;
    exchange.planned(&plan.destination);
    policy::admit(&plan, &parts.method, exchange)?;

    let via = &connection.worker.shared.via;
    let filters = [&rule.filters, plan.filters];
    // HTTP/2 says it end to end (RFC 9113 8.2.2), and gRPC relies on it.
    let trailers = plan.may_speak_http2() && takes_trailers(&parts.headers);
    let upgrade = wanted.map(|wanted| {
        let facts = Facts::new(connection, target, &parts, &plan);
        let facts = facts.of_upgrade(wanted.protocol());
        Box::new((wanted, facts))
    });
    let host = parts.headers.get(http::header::HOST).cloned();
    let from = (!plan.dynamic).then(|| Forwarded {
        client: connection.client.ip(),
        scheme: connection.scheme(),
        host: host.as_ref(),
    });
    let headers = &mut parts.headers;
    if let Some(caller) = &caller {
        caller.take_off_fields(headers);
    }
    if parts.version == Version::HTTP_2 {
        say_length(headers, &body);
    }
    via.prepare_request(headers, parts.version, from.as_ref(), filters);
    if trailers {
        parts
            .headers
            .insert(TE, HeaderValue::from_static("trailers"));
    }
    plan.address(&mut parts, host);
    if let Some(caller) = &caller {
        caller.take_off_query(&mut parts.uri);
        caller.introduce(&mut parts.headers);
    }
    if let Some((wanted, _)) = upgrade.as_deref() {
        plan.upgrades();
        wanted.put_on(&mut parts.headers);
    }

    let request = Request::from_parts(parts, body);
    let worker = &connection.worker;
    let sending = Sending::new(plan, rule, worker, exchange, upgrade.is_some());
    match (sending.send(request).await?, upgrade) {
        (Reply::Response(mut response), upgrade) => {
            let status = response.status();
            if upgrade.is_some_and(|upgrade| upgrade.0.is_misread(status)) {
                return Err(Refusal::UpstreamProtocol);
            }
            via.prepare_response(&mut response, filters)?;
            Ok(response)
        }
        (Reply::Switched(mut response, outlet, lease), Some(upgrade)) => {
            let (wanted, facts) = *upgrade;
            via.prepare_switch(&mut response, &wanted, filters)?;
            client.then(Tunnel {
                kind: Kind::Upgrade,
                outlet,
                facts,
                held: Held::Leased(lease),
                exchange: Rc::clone(exchange),
                judged_by: Rc::clone(snapshot),
            });
            Ok(response.map(|()| ResponseBody::text(Bytes::new(), Rc::clone(exchange))))
        }
        (Reply::Switched(..), None) => Err(Refusal::UpstreamProtocol),
    }
}

/// Says to whoever reads HTTP/1.1 how long a body is whose end HTTP/2 tells by itself.
fn say_length(headers: &mut HeaderMap, body: &RequestBody) {
    if let Some(length) = headers.get(CONTENT_LENGTH).cloned() {
        // It may say it more than once, if it is always the same (RFC 9110 8.6).
        headers.insert(CONTENT_LENGTH, length);
    } else if !body.is_end_stream() {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}
