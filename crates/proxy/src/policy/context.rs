//! What policies are asked about: a request, and who sent it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use egret_config::certificate::CertificateFacts;
use egret_config::name::DnsName;
use egret_config::snapshot::{RouteRule, Scheme};
use http::request::Parts;

use super::credentials::CredentialStore;
use crate::message::forwarded::ForwardedFields;
use crate::message::target::Target;

/// What the policies of a rule are asked about.
pub(crate) struct PolicyContext<'a, 'r> {
    /// The rule that the request falls under.
    pub(crate) rule: &'a RouteRule,
    /// Where the request wants to go.
    pub(crate) target: &'r Target,
    /// The request's head as it came.
    pub(crate) request: &'r Parts,
    /// Who is at the other end of the client's connection.
    pub(crate) client: &'r Rc<ClientIdentity>,
    /// What is known of credentials beside the configuration.
    pub(crate) credentials: &'r CredentialStore,
    /// Whether the request was let through before and is asked about again: an open tunnel, or a copy.
    pub(crate) asked_before: bool,
}

/// Who is at the other end of a client's connection, as far as the connection proves it.
#[derive(Clone, Debug)]
pub(crate) struct ClientIdentity {
    /// The client's address.
    pub(crate) address: SocketAddr,
    /// The listener's own address.
    pub(crate) listener: SocketAddr,
    /// The scheme by which the client reached the gateway.
    pub(crate) scheme: Scheme,
    /// The server name in the ClientHello that the connection began with.
    pub(crate) server_name: Option<DnsName>,
    /// The client's certificate, if it was validated.
    pub(crate) certificate: Option<Arc<CertificateFacts>>,
    /// What upstreams are told of it, if its listener has a word in that.
    pub(crate) forwarded: ForwardedFields,
}
