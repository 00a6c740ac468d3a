//! Reads what a policy says of proxies before the gateway, and of the headers that they send.

use std::net::IpAddr;

use egret_api::kgateway::{
    ClientCertDetailsSpec, EarlyHeader, EarlyHeaderModifier, ForwardClientCertSpec,
};
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::compile::header::{MessageKind, header_value};
use crate::compile::policy::edit_lists::EditLists;
use crate::compile::value::{MAX_NUMBER, SpecFields};
use crate::policy::headers::HeaderEdit;
use crate::snapshot::{CertificateDetails, CertificateForwarding, ForwardedFor, ForwardedTrust};

/// The fields about `X-Forwarded-For`, as they are written.
pub(super) struct ForwardedFields<'a> {
    pub(super) use_remote_address: Option<bool>,
    pub(super) num_trusted_hops: Option<i64>,
    pub(super) trusted_networks: Option<&'a [String]>,
    pub(super) skip_append: Option<bool>,
}

impl ForwardedFields<'_> {
    /// What the fields say together; `None` if none of them is set, or with faults.
    pub(super) fn read(&self, fields: &mut SpecFields<'_>) -> Option<ForwardedFor> {
        let Self {
            use_remote_address,
            num_trusted_hops,
            trusted_networks,
            skip_append,
        } = *self;
        let hops = fields.number("xffNumTrustedHops", num_trusted_hops, &(0..=MAX_NUMBER));
        // Behind a proxy that says who the client is, the list is that proxy's to add to.
        let appends = match skip_append {
            Some(skips) => !skips,
            None => use_remote_address != Some(false),
        };
        if let Some(networks) = trusted_networks {
            if use_remote_address != Some(false) {
                let message = "useRemoteAddress must be set to false if xffTrustedCIDRs is set";
                fields.fault("useRemoteAddress", message);
            }
            if num_trusted_hops.is_some() {
                let message = "only one of xffNumTrustedHops and xffTrustedCIDRs may be set";
                fields.fault("xffNumTrustedHops", message);
            }
            let trust = ForwardedTrust::Networks(read_networks(networks, fields));
            return Some(ForwardedFor { trust, appends });
        }
        if use_remote_address.is_none() && hops.is_none() && skip_append.is_none() {
            return None;
        }
        let hops = hops.unwrap_or(0);
        Some(match use_remote_address {
            Some(false) => ForwardedFor {
                trust: ForwardedTrust::Entry(hops),
                appends,
            },
            // The address of the connection is itself the first hop that is trusted.
            Some(true) | None => ForwardedFor {
                trust: match hops.checked_sub(1) {
                    Some(from_end) => ForwardedTrust::Entry(from_end),
                    None => ForwardedTrust::Peer,
                },
                appends,
            },
        })
    }
}

fn read_networks(texts: &[String], fields: &mut SpecFields<'_>) -> Vec<IpNet> {
    if texts.is_empty() {
        fields.fault("xffTrustedCIDRs", "at least one is needed");
    }
    let mut networks = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let address = || text.parse::<IpAddr>().map(IpNet::from).ok();
        match text.parse().ok().or_else(address) {
            Some(network) => networks.push(network),
            None => {
                let message = format!("{text:?} is no network, such as 10.0.0.0/8");
                fields.fault(&format!("xffTrustedCIDRs[{index}]"), message);
            }
        }
    }
    networks
}

/// Reads `forwardClientCertDetails`. Without a mode, details are what is told in place of what the client says.
pub(super) fn certificate(
    spec: &ForwardClientCertSpec,
    fields: &mut SpecFields<'_>,
) -> CertificateMode {
    let ForwardClientCertSpec { details, mode } = spec;
    let mut fields = fields.nested("forwardClientCertDetails");
    let told = details
        .as_ref()
        .map_or_else(CertificateDetails::default, told);
    let mode = match mode.as_deref() {
        None if details.is_some() => "SanitizeSet",
        None => "Sanitize",
        Some(mode) => mode,
    };
    if details.is_some() && !matches!(mode, "AppendForward" | "SanitizeSet") {
        let message = "details requires mode to be AppendForward or SanitizeSet (or unset)";
        fields.fault("details", message);
    }
    CertificateMode(match mode {
        "Sanitize" => None,
        "ForwardOnly" => Some(CertificateForwarding::Proven),
        "AppendForward" => Some(CertificateForwarding::Appended(told)),
        "SanitizeSet" => Some(CertificateForwarding::Set(told)),
        "AlwaysForwardOnly" => Some(CertificateForwarding::Always),
        _ => {
            let message = "Sanitize, ForwardOnly, AppendForward, SanitizeSet and AlwaysForwardOnly are supported";
            fields.fault("mode", message);
            None
        }
    })
}

/// What a policy says: also that nothing is told, whatever a wider policy says.
#[derive(Clone, Copy, Debug)]
pub(super) struct CertificateMode(pub(super) Option<CertificateForwarding>);

fn told(spec: &ClientCertDetailsSpec) -> CertificateDetails {
    let ClientCertDetailsSpec {
        cert,
        chain,
        dns,
        subject,
        uri,
    } = *spec;
    CertificateDetails {
        certificate: cert == Some(true),
        chain: chain == Some(true),
        subject: subject == Some(true),
        uri: uri == Some(true),
        dns: dns == Some(true),
    }
}

/// Reads `earlyRequestHeaderModifier`.
pub(super) fn early_headers(spec: &EarlyHeaderModifier, fields: &mut SpecFields<'_>) -> HeaderEdit {
    let EarlyHeaderModifier { set, add, remove } = spec;
    let mut fields = fields.nested("earlyRequestHeaderModifier");
    EditLists { set, add, remove }.read(&mut fields, pair)
}

fn pair(spec: &EarlyHeader, fields: &mut SpecFields<'_>) -> Option<(HeaderName, HeaderValue)> {
    let EarlyHeader { name, value } = spec;
    let name = MessageKind::Request.settable_name(name);
    let name = name.map_err(|message| fields.fault("name", message)).ok();
    let value = header_value(value.as_bytes());
    let value = value.map_err(|message| fields.fault("value", message)).ok();
    name.zip(value)
}
