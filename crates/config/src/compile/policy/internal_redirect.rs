//! Compiles `internalRedirect` of a TrafficPolicy to [`InternalRedirect`].

use std::collections::BTreeSet;

use egret_api::kgateway::{TrafficInternalRedirect, TrafficPolicySpec};
use http::header::{AUTHORIZATION, COOKIE};

use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::header::MessageKind;
use crate::compile::value::{MAX_NUMBER, SpecFields};
use crate::policy::internal_redirect::InternalRedirect;

/// The statuses that may be followed.
const REDIRECTS: [i64; 5] = [301, 302, 303, 307, 308];
/// The status that is followed by default.
const DEFAULT_STATUS: u16 = 302;
/// Maximum number of header fields that are copied.
const MAX_COPIED: usize = 16;

impl ReadPolicy for InternalRedirect {
    type Spec = TrafficInternalRedirect;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficInternalRedirect> {
        spec.internal_redirect.as_ref()
    }

    fn read(
        spec: &TrafficInternalRedirect,
        fields: &mut SpecFields<'_>,
        _reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficInternalRedirect {
            redirect_response_codes,
            max_redirects,
            allow_cross_scheme_redirect,
            response_headers_to_copy,
        } = spec;
        let most = fields.number("maxRedirects", *max_redirects, &(1..=MAX_NUMBER));
        FieldReading::Set(Self {
            statuses: match redirect_response_codes {
                Some(codes) => statuses(codes, fields),
                None => [DEFAULT_STATUS].into(),
            },
            most: most.unwrap_or(1),
            crosses_schemes: *allow_cross_scheme_redirect == Some(true),
            copied: match response_headers_to_copy {
                Some(names) => copied(names, fields),
                None => Vec::new(),
            },
        })
    }
}

fn statuses(codes: &[i64], fields: &mut SpecFields<'_>) -> BTreeSet<u16> {
    const FIELD: &str = "redirectResponseCodes";
    if codes.is_empty() {
        fields.fault(FIELD, "at least one is needed");
    }
    let mut statuses = BTreeSet::new();
    for (index, code) in codes.iter().enumerate() {
        let field = format!("{FIELD}[{index}]");
        match u16::try_from(*code) {
            Ok(code) if REDIRECTS.contains(&i64::from(code)) => {
                if !statuses.insert(code) {
                    fields.fault(&field, "given twice");
                }
            }
            _ => fields.fault(&field, "301, 302, 303, 307 or 308 is needed"),
        }
    }
    statuses
}

fn copied(names: &[String], fields: &mut SpecFields<'_>) -> Vec<http::HeaderName> {
    const FIELD: &str = "responseHeadersToCopy";
    if names.is_empty() {
        fields.fault(FIELD, "at least one is needed");
    }
    if names.len() > MAX_COPIED {
        fields.fault(FIELD, format!("at most {MAX_COPIED} are allowed"));
    }
    let mut copied = Vec::new();
    for (index, text) in names.iter().enumerate() {
        let field = format!("{FIELD}[{index}]");
        match MessageKind::Request.settable_name(text) {
            Ok(name) if copied.contains(&name) => fields.fault(&field, "given twice"),
            Ok(AUTHORIZATION | COOKIE) => {
                let message = "credentials are the client's, and not for an upstream to choose";
                fields.fault(&field, message);
            }
            Ok(name) => copied.push(name),
            Err(message) => fields.fault(&field, message),
        }
    }
    copied
}
