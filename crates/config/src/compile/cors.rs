//! Compiles the Gateway API's `CORS` filter, and kgateway's policy of the same fields, to [`CorsPolicy`].

use http::{HeaderName, HeaderValue};

use super::value::{MAX_NUMBER, SpecFields};
use crate::policy::cors::{CorsNames, CorsPolicy, OriginPattern};

/// Maximum number of origins, and of header fields.
const MAX_ENTRIES: usize = 64;
/// The methods that may be listed.
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];
/// The default of `maxAge` in seconds.
const MAX_AGE: u32 = 5;

/// The fields of both resources.
#[derive(Clone, Copy, Default)]
pub(super) struct CorsSpec<'a> {
    pub(super) allow_origins: &'a [String],
    pub(super) allow_credentials: bool,
    pub(super) allow_methods: &'a [String],
    pub(super) allow_headers: &'a [String],
    pub(super) expose_headers: &'a [String],
    pub(super) max_age: Option<i32>,
}

pub(super) fn compile(spec: CorsSpec<'_>, fields: &mut SpecFields<'_>) -> CorsPolicy {
    let CorsSpec {
        allow_origins,
        allow_credentials,
        allow_methods,
        allow_headers,
        expose_headers,
        max_age,
    } = spec;
    let lists = [
        ("allowOrigins", "AllowOrigins", "origins", allow_origins),
        ("allowMethods", "AllowMethods", "methods", allow_methods),
        ("allowHeaders", "AllowHeaders", "headers", allow_headers),
    ];
    for (name, title, others, list) in lists {
        if list.len() > 1 && list.iter().any(|entry| entry == "*") {
            let message = format!("{title} cannot contain '*' alongside other {others}");
            fields.fault(name, message);
        }
    }
    let is_method = |method: &str| METHODS.contains(&method);
    let exposed = names("exposeHeaders", expose_headers, is_header, fields);
    CorsPolicy {
        origins: origins(allow_origins, fields),
        credentials: allow_credentials,
        methods: names("allowMethods", allow_methods, is_method, fields),
        headers: names("allowHeaders", allow_headers, is_header, fields),
        expose: match exposed {
            CorsNames::Listed(names) => Some(names),
            // Where credentials are allowed, `*` would be the name of a field.
            CorsNames::Asked => (!allow_credentials).then(|| HeaderValue::from_static("*")),
            CorsNames::Unset => None,
        },
        max_age: fields
            .number("maxAge", max_age.map(i64::from), &(1..=MAX_NUMBER))
            .unwrap_or(MAX_AGE),
    }
}

fn origins(texts: &[String], fields: &mut SpecFields<'_>) -> Vec<OriginPattern> {
    check_length("allowOrigins", texts, MAX_ENTRIES, fields);
    let mut origins = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match OriginPattern::parse(text) {
            Some(origin) => origins.push(origin),
            None => {
                let message = "not an origin, such as https://app.example.com, https://*.example.com:8443 or *";
                fields.fault(&format!("allowOrigins[{index}]"), message);
            }
        }
    }
    origins
}

/// Reads a list of names as an answer has them; of a list with `*`, that alone counts.
fn names(
    field: &str,
    list: &[String],
    is_name: impl Fn(&str) -> bool,
    fields: &mut SpecFields<'_>,
) -> CorsNames {
    check_length(field, list, MAX_ENTRIES, fields);
    for (index, name) in list.iter().enumerate() {
        if name != "*" && !is_name(name) {
            let message = match field {
                "allowMethods" => format!("{} or * is allowed", METHODS.join(", ")),
                _ => "not a header name".to_owned(),
            };
            fields.fault(&format!("{field}[{index}]"), message);
        }
    }
    if list.iter().any(|name| name == "*") {
        return CorsNames::Asked;
    }
    match HeaderValue::try_from(list.join(", ")) {
        Ok(names) if !list.is_empty() => CorsNames::Listed(names),
        Ok(_) | Err(_) => CorsNames::Unset,
    }
}

fn check_length(name: &str, list: &[String], most: usize, fields: &mut SpecFields<'_>) {
    if list.len() > most {
        fields.fault(name, format!("at most {most} are allowed"));
    }
}

fn is_header(name: &str) -> bool {
    name.len() <= 256 && HeaderName::from_bytes(name.as_bytes()).is_ok()
}
