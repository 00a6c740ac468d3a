//! The members of a JSON object, written one after the other without a tree or a serializer in between.

use std::time::Duration;

use egret_config::access_log::push_escaped;

use super::plain;

/// An object that is being written. Keys are constants that need no escape.
pub(super) struct JsonObject<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> JsonObject<'o> {
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out }
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    /// A text. Bytes that are no text are escaped.
    pub(super) fn text(&mut self, key: &'static str, value: impl AsRef<[u8]>) {
        self.text_by(key, |out| out.extend_from_slice(value.as_ref()));
    }

    /// A text that a function appends.
    pub(super) fn text_by(&mut self, key: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        self.key(key);
        self.out.push(b'"');
        let begin = self.out.len();
        write(self.out);
        push_escaped(self.out, begin);
        self.out.push(b'"');
    }

    pub(super) fn number(&mut self, key: &'static str, value: impl itoa::Integer) {
        self.key(key);
        plain::number(value, self.out);
    }

    pub(super) fn truth(&mut self, key: &'static str, value: bool) {
        self.key(key);
        let value: &[u8] = if value { b"true" } else { b"false" };
        self.out.extend_from_slice(value);
    }

    /// A duration in milliseconds, with a resolution of one microsecond.
    pub(super) fn milliseconds(&mut self, key: &'static str, value: Duration) {
        self.key(key);
        plain::milliseconds(value, self.out);
    }

    fn key(&mut self, key: &'static str) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}
