//! The subject of a certificate: its attributes, and patterns of them as RFC 4514 writes them.

use std::fmt;

use super::der::{DerReader, tag};

/// One attribute of a subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubjectAttribute {
    /// The object identifier of the type, in DER.
    kind: Box<[u8]>,
    /// The value; `None` if it is no text.
    value: Option<String>,
}

/// Attributes that a subject must have: for each type that the pattern names, exactly these values in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectPattern {
    text: String,
    attributes: Vec<(&'static [u8], String)>,
}

const COMMON_NAME: &[u8] = &[0x55, 4, 3];

/// Types of attributes by the names that RFC 4514 3 and RFC 4519 give them.
const TYPES: &[(&str, &[u8])] = &[
    ("CN", COMMON_NAME),
    ("serialNumber", &[0x55, 4, 5]),
    ("C", &[0x55, 4, 6]),
    ("L", &[0x55, 4, 7]),
    ("ST", &[0x55, 4, 8]),
    ("O", &[0x55, 4, 10]),
    ("OU", &[0x55, 4, 11]),
    (
        "UID",
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1],
    ),
    (
        "DC",
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25],
    ),
];

/// The attributes of a Name (RFC 5280 4.1.2.4).
pub(super) fn attributes(name: &[u8]) -> Option<Vec<SubjectAttribute>> {
    let mut sets = DerReader::new(name);
    let mut attributes = Vec::new();
    while !sets.is_empty() {
        let mut set = DerReader::new(sets.expect(tag::SET)?);
        while !set.is_empty() {
            let mut attribute = DerReader::new(set.expect(tag::SEQUENCE)?);
            let kind = attribute.expect(tag::OBJECT_ID)?.into();
            let (string, value) = attribute.next()?;
            let is_text = matches!(
                string,
                tag::UTF8_STRING | tag::PRINTABLE_STRING | tag::IA5_STRING
            );
            let value = str::from_utf8(value).ok().filter(|_| is_text);
            let value = value.map(str::to_owned);
            attributes.push(SubjectAttribute { kind, value });
        }
    }
    Some(attributes)
}

impl SubjectAttribute {
    /// Writes `TYPE=value` with the escapes of RFC 4514 2.4; nothing if the type has no name there, or the value is no
    /// text.
    pub(super) fn write(&self, out: &mut String) {
        let mut types = TYPES.iter();
        let known = types.find(|(_, kind)| **kind == *self.kind);
        let (Some((name, _)), Some(value)) = (known, &self.value) else {
            return;
        };
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(name);
        out.push('=');
        let last = value.chars().count().saturating_sub(1);
        for (index, letter) in value.chars().enumerate() {
            let is_special = matches!(letter, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
                || (index == 0 && matches!(letter, ' ' | '#'))
                || (index == last && letter == ' ');
            if is_special {
                out.push('\\');
            }
            out.push(letter);
        }
    }

    /// The value, if this is a common name.
    pub(super) fn common_name(&self) -> Option<&str> {
        let is_common_name = *self.kind == *COMMON_NAME;
        self.value.as_deref().filter(|_| is_common_name)
    }
}

impl SubjectPattern {
    /// A subject that the pattern matches.
    #[must_use]
    pub fn example(&self) -> Vec<SubjectAttribute> {
        let attributes = self
            .attributes
            .iter()
            .map(|(kind, value)| SubjectAttribute {
                kind: (*kind).into(),
                value: Some(value.clone()),
            });
        attributes.collect()
    }

    /// Parses `TYPE=value,TYPE=value`, as in RFC 4514: a backslash escapes a character of a value.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut attributes = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (name, value) = rest
                .split_once('=')
                .ok_or("not attributes of a subject, such as CN=api,O=Example")?;
            let name = name.trim();
            let mut known = TYPES.iter();
            let found = known.find(|(known, _)| known.eq_ignore_ascii_case(name));
            let Some((_, kind)) = found else {
                let known: Vec<_> = TYPES.iter().map(|(name, _)| *name).collect();
                let known = known.join(", ");
                return Err(format!("{name} is no attribute that can be named: {known}"));
            };
            let (value, after) = unescape(value)?;
            if value.is_empty() {
                return Err(format!("{name} has no value"));
            }
            attributes.push((*kind, value));
            rest = after;
        }
        Ok(Self {
            text: text.to_owned(),
            attributes,
        })
    }

    /// Whether a subject has the attributes, and no others of their types.
    #[must_use]
    pub fn matches(&self, subject: &[SubjectAttribute]) -> bool {
        self.attributes.iter().all(|(kind, _)| {
            let wanted = self.attributes.iter().filter(|(other, _)| other == kind);
            let wanted = wanted.map(|(_, value)| Some(value.as_str()));
            let has = subject.iter().filter(|has| *has.kind == **kind);
            // RFC 4514 2.1 begins with the last attribute of the certificate.
            wanted.eq(has.rev().map(|has| has.value.as_deref()))
        })
    }
}

/// The value up to the next comma, trimmed and without escapes, and what follows the comma.
fn unescape(text: &str) -> Result<(String, &str), String> {
    let text = text.trim_start();
    let mut value = String::new();
    // The length of the value without blanks that only its end has.
    let mut solid = 0;
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some((_, escaped)) if !escaped.is_ascii_hexdigit() => {
                    value.push(escaped);
                    solid = value.len();
                }
                _ => return Err("a backslash is followed by the character that it escapes".into()),
            },
            ',' => {
                value.truncate(solid);
                let rest = text.get(at + 1..).unwrap_or_default();
                return if rest.trim().is_empty() {
                    Err("an attribute is missing after the last comma".into())
                } else {
                    Ok((value, rest))
                };
            }
            '+' => return Err("write + as \\+, and several attributes with commas".into()),
            char => {
                value.push(char);
                if char != ' ' {
                    solid = value.len();
                }
            }
        }
    }
    value.truncate(solid);
    Ok((value, ""))
}

impl fmt::Display for SubjectPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
