//! Reads DER (X.690 10): values with a tag and a definite length.

/// The tags that certificates have.
pub(super) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OBJECT_ID: u8 = 0x06;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const IA5_STRING: u8 = 0x16;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
    /// Fields of a TBSCertificate (RFC 5280 4.1).
    pub(crate) const VERSION: u8 = 0xa0;
    pub(crate) const ISSUER_ID: u8 = 0x81;
    pub(crate) const SUBJECT_ID: u8 = 0x82;
    pub(crate) const EXTENSIONS: u8 = 0xa3;
    /// Types of a GeneralName (RFC 5280 4.2.1.6).
    pub(crate) const EMAIL_NAME: u8 = 0x81;
    pub(crate) const DNS_NAME: u8 = 0x82;
    pub(crate) const URI_NAME: u8 = 0x86;
    pub(crate) const IP_NAME: u8 = 0x87;
}

/// The bytes that are left to read.
pub(super) struct DerReader<'a>(&'a [u8]);

impl<'a> DerReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next value: its tag and its content.
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // The number of bytes that the length has; 0 would be an indefinite length.
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
                let length = bytes
                    .iter()
                    .fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next value, if it has this tag.
    pub(super) fn expect(&mut self, wanted: u8) -> Option<&'a [u8]> {
        let (tag, content) = self.next()?;
        (tag == wanted).then_some(content)
    }

    /// The content of the next value if it has this tag; else nothing is read.
    pub(super) fn optional(&mut self, wanted: u8) -> Option<&'a [u8]> {
        if self.0.first() == Some(&wanted) {
            self.expect(wanted)
        } else {
            None
        }
    }
}
