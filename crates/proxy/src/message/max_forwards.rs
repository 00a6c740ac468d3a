//! `Max-Forwards`: how many proxies a TRACE or an OPTIONS may still pass (RFC 9110 7.6.2).

use http::header::{HeaderValue, MAX_FORWARDS};
use http::request::Parts;
use http::{Method, StatusCode};

use super::number::{is_number, number};

/// The request may go no further, and whoever has it answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForwardsSpent {
    /// The status of the answer: a TRACE is not reflected, because it may hold credentials.
    pub(crate) status: StatusCode,
}

/// Checks that a request may be forwarded.
///
/// # Errors
/// [`ForwardsSpent`] if it may pass no proxy any more.
pub(crate) fn check(parts: &Parts) -> Result<(), ForwardsSpent> {
    let status = match parts.method {
        Method::TRACE => StatusCode::NOT_IMPLEMENTED,
        _ => StatusCode::OK,
    };
    match left(parts) {
        Some(0) => Err(ForwardsSpent { status }),
        _ => Ok(()),
    }
}

/// Counts this proxy.
pub(crate) fn count(parts: &mut Parts) {
    if let Some(left) = left(parts) {
        let left = HeaderValue::from(left.saturating_sub(1));
        parts.headers.insert(MAX_FORWARDS, left);
    }
}

/// How many proxies the request may pass; `None` if it does not say, in the one way that has no second reading.
fn left(parts: &Parts) -> Option<u64> {
    if parts.method != Method::OPTIONS && parts.method != Method::TRACE {
        return None;
    }
    let mut fields = parts.headers.get_all(MAX_FORWARDS).iter();
    let field = fields.next().filter(|_| fields.next().is_none())?;
    let digits = field.as_bytes();
    // What is more than can be counted is counted down from the most.
    is_number(digits).then(|| number(digits).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn a_request_is_counted_once_and_ends_at_zero() {
        let most = "18446744073709551614";
        for (method, fields, status, expected) in [
            ("OPTIONS", &["2"][..], None, &["1"][..]),
            ("OPTIONS", &["007"], None, &["6"]),
            ("OPTIONS", &["99999999999999999999999"], None, &[most]),
            ("OPTIONS", &["0"], Some(200), &["0"]),
            ("TRACE", &["1"], None, &["0"]),
            ("TRACE", &["00"], Some(501), &["0"]),
            ("OPTIONS", &[], None, &[]),
            // What is no number, or two, is left alone, and so is the field of other methods.
            ("OPTIONS", &["-1"], None, &["-1"]),
            ("OPTIONS", &[""], None, &[""]),
            ("OPTIONS", &["0", "1"], None, &["0", "1"]),
            ("GET", &["0"], None, &["0"]),
        ] {
            let mut request = Request::builder().method(method);
            for field in fields {
                request = request.header(MAX_FORWARDS, *field);
            }
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            let refused = check(&parts).err().map(|spent| spent.status.as_u16());
            assert_eq!(refused, status, "{method} {fields:?}");
            count(&mut parts);
            let left: Vec<_> = parts.headers.get_all(MAX_FORWARDS).iter().collect();
            assert_eq!(left, expected, "{method} {fields:?}");
        }
    }
}
