//! Compiles `sessionPersistence` of a rule (GEP-1619).

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use crate::compile::log::FieldFault;
use crate::compile::value::SpecFields;
use crate::snapshot::{SessionPersistence, SessionToken};

/// The most characters of a name.
const MAX_NAME: usize = 128;
/// The names of tokens without `sessionName`, which are kgateway's.
const COOKIE: &str = "sessionPersistence";
const HEADER: HeaderName = HeaderName::from_static("x-session-persistence");

/// `sessionPersistence`, as rules of each kind write it.
#[derive(Default)]
pub(super) struct SessionSpec<'a> {
    pub(super) name: Option<&'a str>,
    /// Whether the type is `Header`.
    pub(super) is_header: bool,
    pub(super) absolute_timeout: Option<&'a str>,
    pub(super) idle_timeout: Option<&'a str>,
    pub(super) lifetime: Option<CookieLifetime>,
    /// Whether `cookieConfig` is there.
    pub(super) has_cookie: bool,
}

/// `cookieConfig.lifetimeType`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CookieLifetime {
    Permanent,
    Session,
}

/// Reads the field of a rule.
pub(super) fn compile(
    spec: &SessionSpec<'_>,
    field: &str,
    faults: &mut Vec<FieldFault>,
) -> Option<Arc<SessionPersistence>> {
    let before = faults.len();
    let mut fields = SpecFields::new(field, faults);
    let absolute_timeout = time("absoluteTimeout", spec.absolute_timeout, &mut fields);
    let idle_timeout = time("idleTimeout", spec.idle_timeout, &mut fields);
    if spec
        .name
        .is_some_and(|name| name.chars().count() > MAX_NAME)
    {
        fields.fault(
            "sessionName",
            format!("at most {MAX_NAME} characters are allowed"),
        );
    }
    if spec.is_header && spec.has_cookie {
        fields.struct_fault("cookieConfig can only be set with type Cookie");
    }
    if spec.lifetime == Some(CookieLifetime::Permanent) && spec.absolute_timeout.is_none() {
        fields.struct_fault(
            "AbsoluteTimeout must be specified when cookie lifetimeType is Permanent",
        );
    }
    let name = spec
        .name
        .map(|name| HeaderName::from_bytes(name.as_bytes()));
    let token = match (name, spec.is_header) {
        (Some(Err(_)), _) => {
            // The name of a cookie is a token, as that of a field (RFC 6265 4.1.1).
            fields.fault("sessionName", "not the name of a cookie or a header");
            return None;
        }
        (Some(Ok(name)), true) => SessionToken::Header(name),
        (None, true) => SessionToken::Header(HEADER),
        (_, false) => SessionToken::Cookie {
            name: spec.name.unwrap_or(COOKIE).into(),
            is_permanent: absolute_timeout.is_some()
                && spec.lifetime != Some(CookieLifetime::Session),
        },
    };
    let session = SessionPersistence {
        token,
        absolute_timeout,
        idle_timeout,
    };
    (faults.len() == before).then(|| Arc::new(session))
}

/// A time; zero is none.
fn time(name: &str, text: Option<&str>, fields: &mut SpecFields<'_>) -> Option<Duration> {
    let time = fields.time(name, text, Duration::ZERO);
    time.filter(|time| !time.is_zero())
}
