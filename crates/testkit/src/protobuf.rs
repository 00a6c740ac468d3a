//! Protocol Buffers by field numbers, so that tests read and write messages without the code that they test.

/// A message that is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written(Vec<u8>);

/// The content of a field that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Written {
    /// Adds a field that is a number.
    #[must_use]
    pub fn number(mut self, field: u32, number: u64) -> Self {
        self.varint(u64::from(field) << 3);
        self.varint(number);
        self
    }

    /// Adds a field that is a text.
    #[must_use]
    pub fn text(self, field: u32, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    /// Adds a field of bytes.
    #[must_use]
    pub fn bytes(mut self, field: u32, bytes: &[u8]) -> Self {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds a field that is a message.
    #[must_use]
    pub fn message(self, field: u32, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    /// The bytes of the message.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }
}

/// The texts at a path of field numbers, through messages.
///
/// # Panics
/// If it is no message, or what is at the path is no text.
#[must_use]
pub fn texts(message: &[u8], path: &[u32]) -> Vec<String> {
    let text = |field| match field {
        Field::Bytes(bytes) => String::from_utf8(bytes).expect("a text"),
        Field::Number(number) => panic!("{number} is no text"),
    };
    at(message, path).into_iter().map(text).collect()
}

/// The messages, or fields of bytes, at a path of field numbers.
///
/// # Panics
/// If it is no message, or what is at the path is a number.
#[must_use]
pub fn messages(message: &[u8], path: &[u32]) -> Vec<Vec<u8>> {
    let bytes = |field| match field {
        Field::Bytes(bytes) => bytes,
        Field::Number(number) => panic!("{number} is no message"),
    };
    at(message, path).into_iter().map(bytes).collect()
}

/// The numbers at a path of field numbers.
///
/// # Panics
/// If it is no message, or what is at the path is no number.
#[must_use]
pub fn numbers(message: &[u8], path: &[u32]) -> Vec<u64> {
    let number = |field| match field {
        Field::Number(number) => number,
        Field::Bytes(bytes) => panic!("{bytes:?} is no number"),
    };
    at(message, path).into_iter().map(number).collect()
}

fn at(message: &[u8], path: &[u32]) -> Vec<Field> {
    let [first, rest @ ..] = path else {
        return Vec::new();
    };
    let fields = read(message);
    let found = fields.into_iter().filter(|(number, _)| number == first);
    let found = found.map(|(_, field)| field);
    if rest.is_empty() {
        return found.collect();
    }
    found
        .flat_map(|field| match field {
            Field::Bytes(bytes) => at(&bytes, rest),
            Field::Number(_) => panic!("{path:?} leads through a number"),
        })
        .collect()
}

fn read(mut message: &[u8]) -> Vec<(u32, Field)> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut message)),
            1 => {
                let (bytes, rest) = message.split_first_chunk().expect("eight bytes");
                message = rest;
                Field::Number(u64::from_le_bytes(*bytes))
            }
            2 => {
                let length = usize::try_from(varint(&mut message)).expect("a length");
                let (bytes, rest) = message.split_at(length);
                message = rest;
                Field::Bytes(bytes.to_vec())
            }
            other => panic!("no field has the wire type {other}"),
        };
        fields.push((u32::try_from(key >> 3).expect("a field number"), field));
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a whole number");
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let inner = Written::default().text(1, "a").number(16, 300);
        let message = Written::default().message(2, &inner).message(2, &inner);
        let bytes = message.into_bytes();
        // As the documentation of the encoding has it.
        assert_eq!(bytes[..2], [0x12, 7]);
        assert_eq!(bytes[5..9], [0x80, 0x01, 0xac, 0x02]);
        assert_eq!(texts(&bytes, &[2, 1]), ["a", "a"]);
        assert_eq!(numbers(&bytes, &[2, 16]), [300, 300]);
        assert_eq!(messages(&bytes, &[2]).len(), 2);
    }
}
