//! Refusals in the words of Envoy's `%RESPONSE_CODE_DETAILS%`, by which logs of Envoy are read. What Envoy does not know has
//! a word of its own.

use egret_config::policy::egress::{AddressDenied, DecidingRule};
use egret_config::resources::ObjectRef;

use super::{
    AuthenticationFailure, CredentialError, DenyingField, PolicyDenial, Refusal, RefusalSubject,
};
use crate::dial::failure::ConnectFailure;
use crate::dns::DnsFailure;
use crate::message::target::TargetError;
use crate::meter::LabelValue as _;
use crate::tls::TlsFailure;

impl Refusal {
    /// The details, without blanks.
    #[must_use]
    pub(crate) fn code_details(&self, about: &RefusalSubject) -> String {
        let details = match self {
            Self::MalformedHead | Self::Framing(_) => "http1.codec_error",
            Self::HeadTooLarge => "http1.headers_too_large",
            Self::Target(TargetError::Missing) => "missing_host_header",
            Self::NoTunnel(_) => "upgrade_failed",
            Self::NoListener | Self::NoRoute => "route_not_found",
            Self::Misconfigured(_) => "cluster_not_found",
            Self::DnsOverload => "dns_cache_overflow",
            Self::Overload => "overload",
            Self::NoEndpoints => "no_healthy_upstream",
            Self::Limit(_) | Self::Connect(ConnectFailure::NoDescriptors) => {
                "upstream_reset_before_response_started{overflow}"
            }
            Self::Terminated => "upstream_reset_before_response_started{connection_termination}",
            Self::UpstreamProtocol | Self::ResponseHeadTooLarge | Self::NoExtendedConnect => {
                "upstream_reset_before_response_started{protocol_error}"
            }
            Self::ResponseTimeout => "response_timeout",
            Self::RequestBody => "downstream_remote_disconnect",
            Self::Connect(ConnectFailure::Timeout) => {
                "upstream_reset_before_response_started{connection_timeout}"
            }
            Self::Unauthenticated(client) => return authentication(client),
            Self::Denied(denial) => return denied(denial),
            Self::Policy(by) => return by_policy(by),
            Self::Address(by) => return by_address(by, about),
            Self::Dns(failure) => return dns(failure),
            Self::Connect(_) | Self::Proxy(_) | Self::Tls(_) => {
                let why = self.transport_failure().unwrap_or_default();
                return format!(
                    "upstream_reset_before_response_started{{remote_connection_failure|{why}}}"
                );
            }
            _ => self.row().reason.as_str(),
        };
        details.to_owned()
    }

    /// Why the connection to the upstream could not be made, as `%UPSTREAM_TRANSPORT_FAILURE_REASON%` says it.
    #[must_use]
    pub(crate) fn transport_failure(&self) -> Option<String> {
        Some(match self {
            Self::Connect(ConnectFailure::Refused) => {
                "delayed_connect_error:_Connection_refused".to_owned()
            }
            Self::Connect(ConnectFailure::Terminated) => {
                "delayed_connect_error:_Connection_reset_by_peer".to_owned()
            }
            Self::Connect(ConnectFailure::Unreachable) => {
                "delayed_connect_error:_No_route_to_host".to_owned()
            }
            Self::Proxy(_) => "proxy_refused".to_owned(),
            Self::Tls(failure) => tls(failure),
            _ => return None,
        })
    }
}

fn without_blanks(text: &str) -> String {
    text.replace(char::is_whitespace, "_")
}

fn tls(failure: &TlsFailure) -> String {
    let why = match failure {
        TlsFailure::Certificate(_) => "CERTIFICATE_VERIFY_FAILED:",
        TlsFailure::Protocol(_) | TlsFailure::Settings(_) => "",
    };
    let why = format!("TLS_error:|{why}{}:TLS_error_end", failure.details());
    without_blanks(&why)
}

fn dns(failure: &DnsFailure) -> String {
    let why = match failure {
        DnsFailure::NxDomain => "cares_norecords:Domain_name_not_found",
        DnsFailure::NoData => "cares_norecords:DNS_server_returned_answer_with_no_data",
        DnsFailure::ServFail => "cares_failure:DNS_server_returned_general_failure",
        DnsFailure::Refused => "cares_failure:DNS_server_refused_query",
        DnsFailure::Timeout => "resolve_timeout",
        DnsFailure::AliasChain | DnsFailure::Rcode(_) | DnsFailure::Network(_) => {
            "cares_failure:DNS_server_failed"
        }
    };
    format!("dns_resolution_failure{{{why}}}")
}

fn named(policy: &ObjectRef) -> String {
    format!("{}/{}", policy.namespace, policy.name)
}

/// A denial by an EgressPolicy, with the policy and the rule.
fn by_policy(by: &DecidingRule) -> String {
    let policy = by.policy.as_ref().map(named).unwrap_or_default();
    let rule = by.rule.as_deref().unwrap_or("default");
    without_blanks(&format!("egress_policy_denied{{{policy},{rule}}}"))
}

/// A denial of every address, with what denied the first.
fn by_address(by: &AddressDenied, about: &RefusalSubject) -> String {
    let policy = by.policy.as_ref().map(named);
    let address = about.address.map(|address| address.ip().to_string());
    let by = policy.unwrap_or_else(|| by.class.to_owned());
    let address = address.unwrap_or_default();
    without_blanks(&format!("egress_address_denied{{{by},{address}}}"))
}

fn authentication(client: &AuthenticationFailure) -> String {
    let details = match (client.is_basic(), client.error) {
        (true, CredentialError::Missing) => "no_credential_for_basic_auth",
        (true, CredentialError::OtherScheme) => "invalid_scheme_for_basic_auth",
        (true, CredentialError::Malformed) => "invalid_format_for_basic_auth",
        (true, CredentialError::Wrong | CredentialError::Unverified) => {
            "invalid_credential_for_basic_auth"
        }
        (false, CredentialError::Missing) => "missing_api_key",
        (false, _) => "unknown_api_key",
    };
    details.to_owned()
}

fn denied(denial: &PolicyDenial) -> String {
    let details = match denial.by {
        DenyingField::Acl | DenyingField::Rbac => {
            let rule = denial.rule.as_deref().unwrap_or("none");
            return without_blanks(&format!("rbac_access_denied_matched_policy[{rule}]"));
        }
        DenyingField::Jwt | DenyingField::JwtKey | DenyingField::Jwks => {
            let text = denial.body.as_deref().unwrap_or("Jwt verification fails");
            return without_blanks(&format!("jwt_authn_access_denied{{{text}}}"));
        }
        DenyingField::EgressLimit => {
            let limit = denial.rule.as_deref().unwrap_or("default");
            let policy = named(&denial.policy);
            return without_blanks(&format!("egress_policy_limited{{{policy},{limit}}}"));
        }
        DenyingField::LocalRateLimit => "local_rate_limited",
        DenyingField::GlobalRateLimit => "request_rate_limited",
        DenyingField::RateLimitService => "rate_limiter_error",
        DenyingField::ExtAuth => "ext_authz_denied",
        DenyingField::ExtAuthService => "ext_authz_error",
        DenyingField::ExtProc => "ext_proc_immediate_response",
        DenyingField::ExtProcService => "ext_proc_error",
        DenyingField::ExtProcBuffer => "response_payload_too_large",
        DenyingField::Csrf => "csrf_origin_mismatch",
        DenyingField::PasswordQueue => "overload_of_basic_auth",
        DenyingField::Fault => "fault_filter_abort",
        DenyingField::Buffer => "request_payload_too_large",
        DenyingField::Transformation | DenyingField::ResponseTransformation => {
            "transformation_error"
        }
    };
    details.to_owned()
}

#[cfg(test)]
mod tests;
