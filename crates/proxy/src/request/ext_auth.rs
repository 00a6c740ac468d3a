//! Asks the service of `extAuth` about a request.

use egret_config::policy::ext_auth::{AuthBody, AuthProtocol};
use http_body::Body as _;

use super::compression;
use super::limits::Enquiry;
use crate::clock;
use crate::message::target::Target;
use crate::policy::Admitted;
use crate::policy::envoy::auth::CHECK;
use crate::policy::ext_auth::{
    AuthAnswer, Authorized, CheckedBody, CheckedRequest, Identified, grpc, http_service,
};
use crate::refusal::Refusal;
use crate::upstream::{BodyBeginning, CallError, OutgoingRequest, RequestBody, WholeBodyFault};

/// Asks the service, and makes its changes to the request.
///
/// # Errors
/// [`Refusal::Denied`] if the service refuses the request or gives no answer, and [`Refusal::RequestBody`] if the client does
/// not send the body that the service gets.
pub(super) async fn ask<'a>(
    identified: Box<Identified<'a>>,
    target: &Target,
    OutgoingRequest { parts, body, .. }: &mut OutgoingRequest,
    enquiry: Enquiry<'_>,
) -> Result<Admitted<'a>, Refusal> {
    let auth = identified.auth();
    let beginning = match auth.body.filter(|_| !target.is_tunnel()) {
        Some(sent) => {
            // The service reads what the upstream will.
            compression::decode(identified.policies(), parts, body);
            Some(read(sent, body, &identified).await?)
        }
        None => None,
    };
    let checked = CheckedRequest {
        target,
        parts,
        client: enquiry.client,
        body: beginning.as_ref().map(|beginning| CheckedBody {
            data: &beginning.data,
            is_whole: beginning.is_whole,
        }),
    };
    let answer = answer(&identified, &checked, &enquiry).await;
    let Authorized { admitted, response } = identified.answered(answer, parts)?;
    enquiry.exchange.adds_to_response(response);
    Ok(admitted)
}

async fn answer(
    identified: &Identified<'_>,
    request: &CheckedRequest<'_>,
    enquiry: &Enquiry<'_>,
) -> Result<AuthAnswer, CallError> {
    let Enquiry {
        upstreams,
        snapshot,
        ..
    } = enquiry;
    let auth = identified.auth();
    match &auth.protocol {
        AuthProtocol::Grpc => {
            let question = grpc::question(auth, request, clock::wall());
            let answer = upstreams.call_grpc(snapshot, &auth.service, CHECK, &question);
            Ok(grpc::read(answer.await?))
        }
        AuthProtocol::Http(http) => {
            let question = http_service::question(auth, http, request)?;
            let answer = upstreams.call_http(snapshot, &auth.service, question);
            let (head, body) = answer.await?.into_parts();
            Ok(http_service::read(http, &head, &body.data))
        }
    }
}

/// Reads as much of the body as the service gets.
async fn read(
    sent: AuthBody,
    body: &mut RequestBody,
    identified: &Identified<'_>,
) -> Result<BodyBeginning, Refusal> {
    let most = usize::try_from(sent.most).unwrap_or(usize::MAX);
    let fault = |fault| match fault {
        WholeBodyFault::TooLarge => identified.too_large(),
        WholeBodyFault::Incomplete => Refusal::RequestBody,
    };
    if !sent.allows_partial && body.size_hint().lower() > u64::from(sent.most) {
        return Err(fault(WholeBodyFault::TooLarge));
    }
    // Of a body that has to be whole, one more byte tells that it is too large.
    let limit = most.saturating_add(usize::from(!sent.allows_partial));
    let beginning = body.read_beginning(limit).await.map_err(fault)?;
    if !sent.allows_partial && beginning.data.len() > most {
        return Err(fault(WholeBodyFault::TooLarge));
    }
    Ok(beginning)
}
