//! A planned request as the expressions of policies see it.

use egret_config::expression::{EgressDestination, RequestForm, RequestHead, RequestView};

use super::RequestSender;
use super::context::PolicyContext;
use crate::plan::ForwardPlan;
use crate::policy::credentials::Principal;

/// The request of a context, as it is sent by this plan.
pub(super) fn view<'v>(
    context: &PolicyContext<'_, 'v>,
    sender: &'v RequestSender<'_>,
    plan: &'v ForwardPlan<'_>,
) -> RequestView<'v> {
    let PolicyContext {
        target, request, ..
    } = *context;
    let RequestSender {
        identity,
        principal,
        ..
    } = sender;
    let form = target.request_form();
    RequestView {
        form,
        scheme: match form {
            RequestForm::Host => Some(identity.scheme.as_str()),
            RequestForm::Absolute => target.scheme.map(|scheme| scheme.as_str()),
            RequestForm::Connect | RequestForm::Sni => None,
        },
        host: &target.host,
        port: target.port,
        head: (form != RequestForm::Sni).then_some(RequestHead {
            method: &request.method,
            uri: &request.uri,
            version: request.version,
            headers: &request.headers,
        }),
        source: identity.address,
        listener: identity.listener,
        server_name: identity.server_name.as_ref(),
        user: principal
            .as_ref()
            .and_then(Principal::name)
            .map(|name| &**name),
        certificate: identity.certificate.as_ref(),
        claims: principal.as_ref().and_then(Principal::claims),
        egress: destination(plan),
        response: None,
    }
}

/// Where a request goes by this plan.
pub(super) fn destination<'v>(plan: &'v ForwardPlan<'_>) -> EgressDestination<'v> {
    let is_tunnel = plan.method_and_path().is_none();
    EgressDestination {
        scheme: (!is_tunnel).then_some(plan.destination.scheme.as_str()),
        host: &plan.destination.host,
        port: plan.destination.port,
    }
}
