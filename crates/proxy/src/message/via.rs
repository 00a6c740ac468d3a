//! This process's entries in `Via` (RFC 9110 7.6.3), and the loops that they reveal.

use http::header::{HeaderValue, VIA};
use http::{HeaderMap, Version};

/// This process's entries in `Via`. The pseudonym is chosen at start, so that two Egrets in a row are not a loop.
pub(crate) struct Via {
    pseudonym: String,
    http2: HeaderValue,
    http11: HeaderValue,
    http10: HeaderValue,
}

/// The request has been through this process before (RFC 9110 7.6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoopDetected;

impl Via {
    /// Creates the entries of a process, which `process` identifies.
    pub(crate) fn new(process: u32) -> Self {
        let pseudonym = format!("egret-{process:08x}");
        let entry = |version| {
            HeaderValue::try_from(format!("{version} {pseudonym}"))
                .expect("the name is made of hexadecimal digits")
        };
        Self {
            http2: entry("2"),
            http11: entry("1.1"),
            http10: entry("1.0"),
            pseudonym,
        }
    }

    /// Checks that the request has not been through this process before.
    ///
    /// # Errors
    /// [`LoopDetected`] if an entry in `Via` is this process's.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), LoopDetected> {
        let name = self.pseudonym.as_bytes();
        let mut entries = headers.get_all(VIA).iter();
        let passed = entries.any(|entry| {
            entry
                .as_bytes()
                .windows(name.len())
                .any(|part| part == name)
        });
        if passed { Err(LoopDetected) } else { Ok(()) }
    }

    /// Appends the entry for a message that was received in this version of HTTP.
    pub(super) fn add(&self, headers: &mut HeaderMap, version: Version) {
        let entry = match version {
            Version::HTTP_2 => &self.http2,
            Version::HTTP_10 => &self.http10,
            _ => &self.http11,
        };
        headers.append(VIA, entry.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_fields::headers;
    use super::*;

    #[test]
    fn only_this_process_in_via_is_a_loop() {
        let via = Via::new(1);
        assert!(
            via.check(&headers(&[
                ("via", "1.1 egret-00000002"),
                ("via", "1.0 proxy.example")
            ]))
            .is_ok()
        );
        assert!(
            via.check(&headers(&[("via", "1.1 a, 1.1 egret-00000001, 1.1 b")]))
                .is_err()
        );
    }
}
