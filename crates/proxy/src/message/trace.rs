//! The trace that a request belongs to (W3C Trace Context).

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

mod b3;
mod propagation;

pub use propagation::TracePropagation;

/// The field that carries the trace.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Where the trace id is in the field, after the version and a hyphen.
const TRACE_ID: Range<usize> = 3..35;
/// Where the span is, after another hyphen.
const SPAN_ID: Range<usize> = 36..52;

/// The trace id of a `traceparent`: 32 hexadecimal digits in lower case, not all of which are zero.
pub(crate) fn trace_id(traceparent: &HeaderValue) -> Option<[u8; 16]> {
    let id = bytes_of(traceparent.to_str().ok()?.get(TRACE_ID)?)?;
    let is_delimited = [2, 35].map(|at| traceparent.as_bytes().get(at)) == [Some(&b'-'); 2];
    (is_delimited && id != [0; 16]).then_some(id)
}

/// A `traceparent` of which everything is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TraceParent {
    trace: [u8; 16],
    span: [u8; 8],
    is_sampled: bool,
}

/// The place of a request in its trace: the span that it is here, and the one that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) id: [u8; 16],
    pub(crate) span: [u8; 8],
    pub(crate) parent: Option<[u8; 8]>,
    /// The span of the way to the upstream, if that has one of its own.
    pub(crate) upstream_span: Option<[u8; 8]>,
    /// Whether the spans are told to anybody.
    pub(crate) is_sampled: bool,
    /// Whether whoever sent the request lets them be told, if that is not decided here.
    pub(crate) is_allowed: bool,
}

impl TraceParent {
    /// The length of a field of version 00.
    const LENGTH: usize = 55;

    /// Reads a field. A later version may have more behind what is known.
    fn read(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?;
        let known = text.get(..Self::LENGTH)?;
        let mut parts = known.split('-');
        let (version, trace) = (parts.next()?, parts.next()?);
        let (span, flags) = (parts.next()?, parts.next()?);
        let has_more = text.len() > Self::LENGTH;
        let is_version = bytes_of::<1>(version).is_some_and(|[version]| match version {
            0 => !has_more,
            0xff => false,
            _ => !has_more || text.as_bytes()[Self::LENGTH] == b'-',
        });
        let [flags] = bytes_of(flags)?;
        let read = Self {
            trace: bytes_of(trace)?,
            span: bytes_of(span)?,
            is_sampled: flags & 1 == 1,
        };
        let is_valid = is_version && read.trace != [0; 16] && read.span != [0; 8];
        is_valid.then_some(read)
    }
}

/// The bytes of as many pairs of hexadecimal digits in lower case.
pub(crate) fn bytes_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

impl Trace {
    /// The place of a request with these fields, of which `traceparent` is known. One that begins a trace is sampled if it is drawn, and another if whoever sent
    /// it sampled it too. A `traceparent` that is malformed, or there twice, belongs to somebody else: there is no place then. B3 is read only
    /// where it is wanted, and where there is no `traceparent`.
    pub(crate) fn of(
        traceparent: Option<&HeaderValue>,
        headers: &HeaderMap,
        propagation: TracePropagation,
        is_drawn: bool,
        spawns_upstream_span: bool,
    ) -> Option<Self> {
        // Of two, neither is to be believed.
        let is_twice = || headers.get_all(TRACEPARENT).iter().nth(1).is_some();
        if propagation.w3c && traceparent.is_some() && is_twice() {
            return None;
        }
        let parent = match traceparent.filter(|_| propagation.w3c) {
            Some(value) => Some(TraceParent::read(value)?),
            None if propagation.reads_b3() => b3::read(headers),
            None => None,
        };
        // All that is random at once, because the generator takes its time each time that it is asked.
        let (id, span, upstream_span): (u128, u64, u64) = rand::random();
        Some(Self {
            id: parent.map_or_else(|| id.to_ne_bytes(), |parent| parent.trace),
            span: span.to_ne_bytes(),
            parent: parent.map(|parent| parent.span),
            upstream_span: spawns_upstream_span.then_some(upstream_span.to_ne_bytes()),
            is_sampled: is_drawn && parent.is_none_or(|parent| parent.is_sampled),
            is_allowed: parent.is_none_or(|parent| parent.is_sampled),
        })
    }

    /// Tells an upstream of the trace, among the fields of a request or by the field that has yet to be sent.
    pub(crate) fn inject(
        &self,
        propagation: TracePropagation,
        headers: &mut HeaderMap,
    ) -> Option<TraceField> {
        b3::inject(self, propagation, headers);
        propagation.w3c.then(|| self.traceparent())
    }

    /// The span that upstreams see as the one that they come from.
    fn sent_span(&self) -> [u8; 8] {
        self.upstream_span.unwrap_or(self.span)
    }

    /// The field for the upstream.
    fn traceparent(&self) -> TraceField {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&self.id, &mut text[TRACE_ID]);
        write_hex(&self.sent_span(), &mut text[SPAN_ID]);
        text[TraceParent::LENGTH - 1] += u8::from(self.is_sampled);
        TraceField(text)
    }
}

/// The `traceparent` that is sent to an upstream, in place of any that the request has. Every request that is traced has its own,
/// which as a field among the others would be allocated, checked and hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceField([u8; TraceParent::LENGTH]);

impl TraceField {
    /// The value of the field.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Puts it among the fields of a request.
    pub(crate) fn insert_into(self, headers: &mut HeaderMap) {
        let value = HeaderValue::from_maybe_shared(Bytes::from_owner(self.0));
        headers.insert(TRACEPARENT, value.expect("digits and hyphens"));
    }
}

/// Hexadecimal digits in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut digits = vec![0; 2 * bytes.len()];
    write_hex(bytes, &mut digits);
    String::from_utf8(digits).expect("digits")
}

/// Adds hexadecimal digits in lower case.
pub(crate) fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    out.resize(begin + 2 * bytes.len(), 0);
    write_hex(bytes, &mut out[begin..]);
}

/// Writes two digits for each byte, of four bytes at once: each request that is traced has some.
fn write_hex(bytes: &[u8], out: &mut [u8]) {
    let (bytes, rest) = bytes.as_chunks::<4>();
    let (digits, last) = out.as_chunks_mut::<8>();
    for (digits, bytes) in digits.iter_mut().zip(bytes) {
        *digits = hex_digits(*bytes);
    }
    let (pairs, _) = last.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(rest) {
        let [.., high, low] = hex_digits([0, 0, 0, *byte]);
        *pair = [high, low];
    }
}

/// The digits of four bytes.
fn hex_digits(bytes: [u8; 4]) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Each half of a byte becomes a byte, in its order.
    let mut halves = u64::from(u32::from_be_bytes(bytes));
    halves = (halves << 16 | halves) & 0x0000_ffff_0000_ffff;
    halves = (halves << 8 | halves) & 0x00ff_00ff_00ff_00ff;
    halves = (halves << 4 | halves) & 0x0f0f_0f0f_0f0f_0f0f;
    // One for each that is a letter: six more than it carries into the next half.
    let letters = (halves + ONES * 6) >> 4 & ONES;
    let from_ten = u64::from(b'a' - b'0' - 10);
    (halves + ONES * u64::from(b'0') + letters * from_ten).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_digits() {
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        let expected: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex(&bytes), expected);
        for length in 0..9 {
            assert_eq!(
                hex(&bytes[250 - length..250]),
                expected[500 - 2 * length..500]
            );
        }
    }

    #[test]
    fn the_id_is_taken_from_well_formed_fields_alone() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        for (text, expected) in [
            (format!("00-{id}-b7ad6b7169203331-01"), Some(id)),
            (
                format!("cc-{id}-b7ad6b7169203331-01-what-the-future-brings"),
                Some(id),
            ),
            (format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), None),
            (
                format!("00-{}-b7ad6b7169203331-01", id.to_uppercase()),
                None,
            ),
            (format!("00-{id}"), None),
            (id.to_owned(), None),
            (String::new(), None),
        ] {
            let value = HeaderValue::try_from(&text).unwrap();
            assert_eq!(trace_id(&value), expected.and_then(bytes_of), "{text}");
        }
    }

    const SENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn trace(field: Option<&str>, is_drawn: bool) -> Option<Trace> {
        let field = field.map(|text| HeaderValue::try_from(text).unwrap());
        let headers: HeaderMap = field
            .map(|field| (TRACEPARENT, field))
            .into_iter()
            .collect();
        let traceparent = headers.get(TRACEPARENT);
        Trace::of(
            traceparent,
            &headers,
            TracePropagation::default(),
            is_drawn,
            false,
        )
    }

    /// The field that an upstream gets, in place of the one that came.
    fn sent(trace: &Trace) -> HeaderValue {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_static(SENT));
        let field = trace.inject(TracePropagation::default(), &mut headers);
        field.unwrap().insert_into(&mut headers);
        assert_eq!(headers.len(), 1);
        headers.remove(TRACEPARENT).unwrap()
    }

    #[test]
    fn a_request_goes_on_with_the_trace_that_it_came_with() {
        let trace = trace(Some(SENT), true).unwrap();
        assert_eq!(trace.parent, bytes_of("b7ad6b7169203331"));
        assert_eq!(Some(trace.id), bytes_of("0af7651916cd43dd8448eb211c80319c"));
        let said = TraceParent::read(&sent(&trace)).unwrap();
        let expected = TraceParent {
            trace: trace.id,
            span: trace.span,
            is_sampled: true,
        };
        assert_eq!(said, expected);
        let spawned = Trace {
            upstream_span: Some([7; 8]),
            ..trace
        };
        assert_eq!(TraceParent::read(&sent(&spawned)).unwrap().span, [7; 8]);
    }

    #[test]
    fn a_trace_is_sampled_if_both_the_lot_and_the_sender_say_so() {
        let unsampled = SENT.replace("-01", "-00");
        for (field, is_drawn, expected) in [
            (Some(SENT), true, true),
            (Some(SENT), false, false),
            (Some(unsampled.as_str()), true, false),
            (None, true, true),
            (None, false, false),
        ] {
            let trace = trace(field, is_drawn).unwrap();
            assert_eq!(trace.is_sampled, expected, "{field:?} {is_drawn}");
            assert_eq!(trace.parent.is_some(), field.is_some());
        }
        assert_ne!(trace(None, true).unwrap().id, trace(None, true).unwrap().id);
    }

    #[test]
    fn what_is_malformed_is_no_trace() {
        for text in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
        ] {
            assert_eq!(trace(Some(text), true), None, "{text}");
        }
        let later = format!("{}-more", SENT.replacen("00", "cc", 1));
        assert!(trace(Some(&later), true).is_some());
        let field = HeaderValue::from_static(SENT);
        let twice = [(TRACEPARENT, field.clone()), (TRACEPARENT, field.clone())];
        let twice: HeaderMap = twice.into_iter().collect();
        let both = TracePropagation::default();
        assert_eq!(Trace::of(Some(&field), &twice, both, true, false), None);
    }
}
