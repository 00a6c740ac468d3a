//! Compiles `acl` of a TrafficPolicy to [`ClientAcl`].

use std::sync::Arc;

use egret_api::kgateway::{
    AclDenyResponse, AclHeader, AclRule as AclRuleSpec, TrafficAcl, TrafficPolicySpec,
};
use http::{HeaderName, HeaderValue, StatusCode};
use ipnet::IpNet;

use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::header::{MessageKind, header_value};
use crate::compile::value::SpecFields;
use crate::name::parse_net;
use crate::policy::acl::{AclResponse, AclRule, ClientAcl};

/// Maximum number of rules, and of networks in a rule.
const MAX_RULES: usize = 256;
/// Maximum number of fields in a response.
const MAX_HEADERS: usize = 16;
/// Maximum length of names.
const MAX_NAME_LENGTH: usize = 256;
/// Maximum length of the value of a field.
const MAX_VALUE_LENGTH: usize = 4096;

impl ReadPolicy for ClientAcl {
    type Spec = TrafficAcl;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficAcl> {
        spec.acl.as_ref()
    }

    fn read(
        spec: &TrafficAcl,
        fields: &mut SpecFields<'_>,
        _reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficAcl {
            default_action,
            rules,
            deny_response,
        } = spec;
        let specs = rules.as_deref().unwrap_or_default();
        if specs.len() > MAX_RULES {
            fields.fault("rules", format!("at most {MAX_RULES} are allowed"));
        }
        let mut rules = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            let mut fields = fields.nested(&format!("rules[{index}]"));
            rules.extend(networks(spec, index, &mut fields));
        }
        let response = response(deny_response.as_ref(), &mut fields.nested("denyResponse"));
        FieldReading::Set(Self::new(*default_action, rules, response))
    }
}

/// The networks of a rule, each with the rule.
fn networks(
    spec: &AclRuleSpec,
    index: usize,
    fields: &mut SpecFields<'_>,
) -> Vec<(IpNet, AclRule)> {
    let AclRuleSpec {
        name,
        action,
        cidrs,
    } = spec;
    let name: Arc<str> = match name.as_deref() {
        None | Some("") => format!("rule-{index}").into(),
        Some(name) => {
            if name.len() > MAX_NAME_LENGTH || !name.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            {
                let message = format!(
                    "at most {MAX_NAME_LENGTH} visible ASCII characters are allowed, because responses have the name"
                );
                fields.fault("name", message);
            }
            name.into()
        }
    };
    if !(1..=MAX_RULES).contains(&cidrs.len()) {
        fields.fault("cidrs", format!("1 to {MAX_RULES} are allowed"));
    }
    let mut networks = Vec::new();
    for (index, text) in cidrs.iter().enumerate() {
        let parsed = parse_net(text)
            .ok_or_else(|| format!("{text} is not an address or a network such as 192.0.2.0/24"));
        match parsed.and_then(|net| net.map_err(|error| error.to_string())) {
            Ok(network) => {
                let rule = AclRule {
                    name: Arc::clone(&name),
                    action: *action,
                };
                networks.push((network, rule));
            }
            Err(message) => fields.fault(&format!("cidrs[{index}]"), message),
        }
    }
    networks
}

fn response(spec: Option<&AclDenyResponse>, fields: &mut SpecFields<'_>) -> AclResponse {
    let mut response = AclResponse {
        status: StatusCode::FORBIDDEN,
        headers: Vec::new(),
        blocked_by: None,
    };
    let Some(spec) = spec else {
        return response;
    };
    let AclDenyResponse {
        status_code,
        headers,
        blocked_by_header_name,
    } = spec;
    if status_code.is_none() && headers.is_none() && blocked_by_header_name.is_none() {
        fields.struct_fault(
            "at least one of the fields in [statusCode headers blockedByHeaderName] must be set",
        );
    }
    // A status below 200 is not the end of a response.
    let status = fields.number("statusCode", *status_code, &(200..=599));
    if let Some(status) = status.and_then(|status: u16| StatusCode::from_u16(status).ok()) {
        response.status = status;
    }
    let specs = headers.as_deref().unwrap_or_default();
    if specs.len() > MAX_HEADERS {
        fields.fault("headers", format!("at most {MAX_HEADERS} are allowed"));
    }
    for (index, spec) in specs.iter().enumerate() {
        let mut fields = fields.nested(&format!("headers[{index}]"));
        response.headers.extend(header(spec, &mut fields));
    }
    if let Some(text) = blocked_by_header_name {
        response.blocked_by = name("blockedByHeaderName", text, fields);
    }
    response
}

fn header(spec: &AclHeader, fields: &mut SpecFields<'_>) -> Option<(HeaderName, HeaderValue)> {
    let AclHeader { name: text, value } = spec;
    let name = name("name", text, fields);
    let parsed = header_value(value.as_bytes()).ok();
    let parsed = parsed.filter(|_| value.len() <= MAX_VALUE_LENGTH);
    if parsed.is_none() {
        fields.fault("value", "not a header value");
    }
    name.zip(parsed)
}

fn name(field: &str, text: &str, fields: &mut SpecFields<'_>) -> Option<HeaderName> {
    match MessageKind::Response.settable_name(text) {
        Ok(name) if text.len() <= MAX_NAME_LENGTH => Some(name),
        Ok(_) => {
            let message = format!("at most {MAX_NAME_LENGTH} characters are allowed");
            fields.fault(field, message);
            None
        }
        Err(message) => {
            fields.fault(field, message);
            None
        }
    }
}
