//! B3, by which Zipkin and its kin tell the trace of a request: in one field, or in one for each fact.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::propagation::TracePropagation;
use super::{Trace, TraceParent, bytes_of, hex};

const B3: HeaderName = HeaderName::from_static("b3");
const TRACE_ID: HeaderName = HeaderName::from_static("x-b3-traceid");
const SPAN_ID: HeaderName = HeaderName::from_static("x-b3-spanid");
const PARENT_ID: HeaderName = HeaderName::from_static("x-b3-parentspanid");
const SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
const FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");

/// The trace that the fields tell; the single field has the first word. `None` if they tell none that can be gone on with.
pub(super) fn read(headers: &HeaderMap) -> Option<TraceParent> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(single) = text(&B3) {
        let mut parts = single.split('-');
        let (trace, span) = (parts.next()?, parts.next()?);
        return told(trace, span, parts.next());
    }
    let sampled = match text(&FLAGS) {
        Some("1") => Some("d"),
        _ => text(&SAMPLED),
    };
    told(text(&TRACE_ID)?, text(&SPAN_ID)?, sampled)
}

/// Ids of 64 bits are those of 128 that begin with zeros. What does not say whether it is sampled leaves that to others.
fn told(trace: &str, span: &str, sampled: Option<&str>) -> Option<TraceParent> {
    let (trace, span) = (trace.to_ascii_lowercase(), span.to_ascii_lowercase());
    let trace = match trace.len() {
        16 => bytes_of(&format!("{}{trace}", "0".repeat(16)))?,
        _ => bytes_of(&trace)?,
    };
    let read = TraceParent {
        trace,
        span: bytes_of(&span)?,
        is_sampled: !matches!(sampled, Some("0" | "false")),
    };
    (read.trace != [0; 16] && read.span != [0; 8]).then_some(read)
}

/// Tells an upstream of the trace in the forms that are wanted. What the client has said is said no more.
pub(super) fn inject(trace: &Trace, propagation: TracePropagation, headers: &mut HeaderMap) {
    if !propagation.reads_b3() {
        return;
    }
    for name in [B3, TRACE_ID, SPAN_ID, PARENT_ID, SAMPLED, FLAGS] {
        headers.remove(name);
    }
    let (id, span) = (hex(&trace.id), hex(&trace.sent_span()));
    let sampled = if trace.is_sampled { "1" } else { "0" };
    let mut said = Vec::new();
    if propagation.b3 {
        said.push((B3, format!("{id}-{span}-{sampled}")));
    }
    if propagation.b3_multi {
        said.push((TRACE_ID, id));
        said.push((SPAN_ID, span));
        said.push((SAMPLED, sampled.to_owned()));
    }
    for (name, value) in said {
        let value = HeaderValue::try_from(value);
        headers.extend(value.ok().map(|value| (name, value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
    const SPAN: &str = "e457b5a2e4d86bd1";

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let fields = fields.iter().map(|(name, value)| {
            let value = HeaderValue::try_from(*value).unwrap();
            (HeaderName::from_static(name), value)
        });
        fields.collect()
    }

    fn sampled(fields: &[(&'static str, &str)]) -> Option<(String, String, bool)> {
        let parent = read(&headers(fields))?;
        Some((hex(&parent.trace), hex(&parent.span), parent.is_sampled))
    }

    #[test]
    fn both_forms_are_read() {
        let expected = |is_sampled| Some((TRACE.to_owned(), SPAN.to_owned(), is_sampled));
        let single = |rest: &str| sampled(&[("b3", &format!("{TRACE}-{SPAN}{rest}"))]);
        for (rest, is_sampled) in [
            ("", true),
            ("-1", true),
            ("-d", true),
            ("-0", false),
            ("-1-05e3ac9a4f6e3b90", true),
        ] {
            assert_eq!(single(rest), expected(is_sampled), "{rest}");
        }
        let ids = [("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)];
        let multi = |more: &[(&'static str, &str)]| sampled(&[&ids[..], more].concat());
        assert_eq!(multi(&[]), expected(true));
        assert_eq!(multi(&[("x-b3-sampled", "0")]), expected(false));
        assert_eq!(
            multi(&[("x-b3-sampled", "0"), ("x-b3-flags", "1")]),
            expected(true)
        );
        let short = sampled(&[("b3", &format!("{}-{SPAN}-1", SPAN.to_uppercase()))]);
        assert_eq!(short.unwrap().0, format!("0000000000000000{SPAN}"));
    }

    #[test]
    fn what_tells_no_trace_begins_one() {
        for value in [
            "0",
            "1",
            "",
            "x-y-1",
            &format!("{TRACE}-0000000000000000-1"),
            TRACE,
        ] {
            assert_eq!(sampled(&[("b3", value)]), None, "{value}");
        }
        assert_eq!(sampled(&[("x-b3-traceid", TRACE)]), None);
    }

    #[test]
    fn upstreams_are_told_in_the_wanted_forms_alone() {
        let trace = Trace {
            id: bytes_of(TRACE).unwrap(),
            span: bytes_of(SPAN).unwrap(),
            parent: None,
            upstream_span: None,
            is_sampled: true,
            is_allowed: true,
        };
        let told = |names: &str| {
            let mut headers = headers(&[
                ("b3", "0"),
                ("x-b3-sampled", "0"),
                ("x-b3-parentspanid", SPAN),
            ]);
            let field = trace.inject(names.parse().unwrap(), &mut headers);
            if let Some(field) = field {
                field.insert_into(&mut headers);
            }
            let mut told: Vec<_> = headers
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            told.sort();
            told
        };
        assert_eq!(told("b3"), [format!("b3: {TRACE}-{SPAN}-1")]);
        let multi = [
            "x-b3-sampled: 1".to_owned(),
            format!("x-b3-spanid: {SPAN}"),
            format!("x-b3-traceid: {TRACE}"),
        ];
        assert_eq!(told("b3multi"), multi);
        assert_eq!(
            told("tracecontext").len(),
            4,
            "what is not wanted is as it was"
        );
    }
}
