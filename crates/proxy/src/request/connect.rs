//! CONNECT: whether it is served, and the way from its request to a tunnel.

use std::rc::Rc;

use bytes::Bytes;
use egret_config::snapshot::Rule;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{Method, Response, Version};

use super::Client;
use crate::body::ResponseBody;
use crate::message::target::Target;
use crate::plan::Plan;
use crate::policy;
use crate::refusal::Refusal;
use crate::tunnel::live::Facts;
use crate::tunnel::{Held, Kind, Tunnel};
use crate::upstream::direct;
use crate::worker::Current;

/// Whose request it is, and what was decided about it.
pub(crate) struct Request<'a> {
    pub(crate) target: &'a Target,
    pub(crate) parts: &'a Parts,
    pub(crate) plan: Box<Plan<'a>>,
    pub(crate) rule: &'a Rule,
    pub(crate) snapshot: &'a Current,
}

/// Refuses a CONNECT whose head has a second reading: one with content, which could begin the tunnel or precede it.
///
/// # Errors
/// [`Refusal::Framing`].
pub(crate) fn check_framing(parts: &Parts) -> Result<(), Refusal> {
    if parts.method != Method::CONNECT {
        return Ok(());
    }
    let has = |name| parts.headers.contains_key(name);
    if has(CONTENT_LENGTH) || has(TRANSFER_ENCODING) {
        return Err(Refusal::Framing("a CONNECT has no content"));
    }
    // The HTTP library would take the field for a sign that there is to be no tunnel.
    if parts.version == Version::HTTP_10 && has(UPGRADE) {
        return Err(Refusal::Framing("HTTP/1.0 has no Upgrade"));
    }
    Ok(())
}

/// Connects to where a CONNECT goes, and answers it. The tunnel begins when the answer has been sent: what the client
/// sent before that waits (draft-ietf-httpbis-optimistic-upgrade).
///
/// # Errors
/// Every reason not to.
pub(crate) async fn open(
    request: Request<'_>,
    client: &Client,
) -> Result<Response<ResponseBody>, Refusal> {
    let Request {
        target,
        parts,
        plan,
        rule,
        snapshot,
    } = request;
    let Client {
        connection,
        exchange,
        ..
    } = client;
    if !plan.dynamic {
        return Err(Refusal::NoTunnel("a static backend takes no CONNECT"));
    }
    exchange.planned(&plan.destination);
    policy::admit(&plan, &parts.method, exchange)?;
    let facts = Facts::new(connection, target, parts, &plan);
    let filters = [&rule.filters, plan.filters];
    let (outlet, occupied) = direct::connect(&plan, rule, &connection.worker, exchange).await?;
    client.then(Tunnel {
        kind: Kind::Connect,
        outlet,
        facts,
        held: Held::Alone(occupied),
        exchange: Rc::clone(exchange),
        judged_by: Rc::clone(snapshot),
    });
    let mut response = Response::new(ResponseBody::text(Bytes::new(), Rc::clone(exchange)));
    for filters in filters {
        filters.response_headers.apply(response.headers_mut());
    }
    Ok(response)
}
