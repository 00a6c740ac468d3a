//! The members of a JSON object, written one after the other without a tree or a serializer in between.

use std::time::Duration;

use egret_config::access_log::push_escaped;

use super::plain;

/// An object that is being written.
pub(super) struct JsonObject<'o> {
    out: &'o mut Vec<u8>,
    begin: usize,
}

/// The key of a member with what comes before and after it, so that it is written at once. It must need no escape.
#[derive(Clone, Copy)]
pub(super) struct Key(pub(super) &'static str);

/// A [`Key`].
macro_rules! key {
    ($name:literal) => {
        $crate::telemetry::access_log::json_object::Key(concat!(",\"", $name, "\":"))
    };
}
pub(super) use key;

impl<'o> JsonObject<'o> {
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Self {
        let begin = out.len();
        Self { out, begin }
    }

    pub(super) fn end(self) {
        // In place of the comma before the first member.
        match self.out.get_mut(self.begin) {
            Some(first) => *first = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
    }

    /// A text. Bytes that are no text are escaped.
    pub(super) fn text(&mut self, key: Key, value: impl AsRef<[u8]>) {
        self.text_by(key, |out| out.extend_from_slice(value.as_ref()));
    }

    /// A text that a function appends.
    pub(super) fn text_by(&mut self, key: Key, write: impl FnOnce(&mut Vec<u8>)) {
        self.key(key);
        self.out.push(b'"');
        let begin = self.out.len();
        write(self.out);
        push_escaped(self.out, begin);
        self.out.push(b'"');
    }

    /// One of the gateway's own words, none of which needs an escape.
    pub(super) fn word(&mut self, key: Key, word: &'static str) {
        self.plain_by(key, |out| out.extend_from_slice(word.as_bytes()));
    }

    /// A text that a function appends, of characters that need no escape.
    pub(super) fn plain_by(&mut self, key: Key, write: impl FnOnce(&mut Vec<u8>)) {
        self.key(key);
        self.out.push(b'"');
        write(self.out);
        self.out.push(b'"');
    }

    pub(super) fn number(&mut self, key: Key, value: impl itoa::Integer) {
        self.key(key);
        plain::number(value, self.out);
    }

    pub(super) fn truth(&mut self, key: Key, value: bool) {
        self.key(key);
        let value: &[u8] = if value { b"true" } else { b"false" };
        self.out.extend_from_slice(value);
    }

    /// A duration in milliseconds, with a resolution of one microsecond.
    pub(super) fn milliseconds(&mut self, key: Key, value: Duration) {
        self.key(key);
        plain::milliseconds(value, self.out);
    }

    /// Objects, each of which is written by a function.
    pub(super) fn objects<T>(
        &mut self,
        key: Key,
        items: &[T],
        write: impl Fn(&T, &mut JsonObject<'_>),
    ) {
        self.key(key);
        self.out.push(b'[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            let mut object = JsonObject::begin(self.out);
            write(item, &mut object);
            object.end();
        }
        self.out.push(b']');
    }

    fn key(&mut self, Key(key): Key) {
        self.out.extend_from_slice(key.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_between_braces_with_commas_between_them() {
        let mut out = b"before".to_vec();
        JsonObject::begin(&mut out).end();
        let mut object = JsonObject::begin(&mut out);
        object.text(key!("a"), "quote \" and \u{1}");
        object.number(key!("b"), 7);
        object.truth(key!("c"), false);
        object.milliseconds(key!("d"), Duration::from_micros(1500));
        object.end();
        let expected = r#"before{}{"a":"quote \" and \u0001","b":7,"c":false,"d":1.5}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
