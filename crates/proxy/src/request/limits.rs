//! Asks the services that keep limits (`rateLimit.global`) about a request.

use std::rc::Rc;

use http::request::Parts;
use http::{HeaderName, HeaderValue};

use crate::configuration::WorkerSnapshot;
use crate::exchange::Exchange;
use crate::message::target::Target;
use crate::policy::envoy::rate_limit::SHOULD_RATE_LIMIT;
use crate::policy::global_limit::described;
use crate::policy::{ClientIdentity, LimitStep, Passage, Settled, Unsettled};
use crate::refusal::Refusal;
use crate::upstream::Upstreams;

/// By whom a service is asked, and for whom.
pub(super) struct Enquiry<'r> {
    pub(super) client: &'r Rc<ClientIdentity>,
    pub(super) exchange: &'r Exchange,
    pub(super) upstreams: &'r Rc<Upstreams>,
    pub(super) snapshot: &'r WorkerSnapshot,
}

/// A request that every limit lets through.
pub(super) struct WithinLimits<'a> {
    pub(super) passage: Passage<'a>,
    /// What the services add to the request.
    pub(super) added: Vec<(HeaderName, HeaderValue)>,
}

/// Asks the services, one after the other.
///
/// # Errors
/// [`Refusal::Denied`] by the first limit that is reached.
pub(super) async fn ask<'a>(
    unsettled: Box<Unsettled<'a>>,
    target: &Target,
    parts: &Parts,
    enquiry: Enquiry<'_>,
) -> Result<WithinLimits<'a>, Refusal> {
    let Enquiry {
        client,
        exchange,
        upstreams,
        snapshot,
    } = enquiry;
    let host = target.host.to_string();
    let request = described(target, parts, client, &host);
    let mut step = unsettled.go_on(&request);
    loop {
        match step {
            LimitStep::Settled(settled) => {
                let Settled {
                    passage,
                    share,
                    added,
                } = settled;
                if let Some(share) = share {
                    exchange.limited(share);
                }
                exchange.adds_to_response(added.response);
                return Ok(WithinLimits {
                    passage,
                    added: added.request,
                });
            }
            LimitStep::Ask(asked) => {
                let service = &asked.limit.service.grpc;
                let question = &asked.question;
                let answer = upstreams.call_grpc(snapshot, service, SHOULD_RATE_LIMIT, question);
                let answer = answer.await;
                step = asked.answered(answer)?.go_on(&request);
            }
        }
    }
}
