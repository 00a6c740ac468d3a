//! Quantities in the format of Kubernetes: a number, or a text with a unit (`64Ki`, `1M`).

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::validation;

/// A Kubernetes Quantity of whole units, in a field of type int-or-string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number, or a number with a unit as \"64Ki\""
)]
pub enum Quantity {
    /// A plain number.
    Number(i64),
    /// A number in a text, with or without a unit.
    Text(String),
}

/// The units, each with its factor.
const UNITS: [(&str, i64); 7] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("", 1),
];

impl Quantity {
    /// The quantity as a number; `None` if the text is not a quantity or the number is too large. Fractions and
    /// exponents are not supported.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        let text = match self {
            Self::Number(number) => return Some(*number),
            Self::Text(text) => text,
        };
        let (digits, unit) = UNITS
            .iter()
            .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)))?;
        let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: i64 = digits.parse().ok().filter(|_| is_plain)?;
        number.checked_mul(unit)
    }
}

/// Kubernetes' int-or-string, which a derived schema cannot express.
impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        validation::quantity(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_numbers_with_units() {
        for (json, expected) in [
            ("65535", Some(65_535)),
            ("-1", Some(-1)),
            ("\"65535\"", Some(65_535)),
            ("\"64Ki\"", Some(65_536)),
            ("\"2Mi\"", Some(2_097_152)),
            ("\"1Gi\"", Some(1_073_741_824)),
            ("\"3k\"", Some(3_000)),
            ("\"3M\"", Some(3_000_000)),
            ("\"2G\"", Some(2_000_000_000)),
            ("\"\"", None),
            ("\"Ki\"", None),
            ("\"+1\"", None),
            ("\"-1\"", None),
            ("\"1.5Mi\"", None),
            ("\"1e6\"", None),
            ("\"1 Ki\"", None),
            ("\"1K\"", None),
            ("\"9223372036854775807Ki\"", None),
        ] {
            let quantity: Quantity = serde_json::from_str(json).unwrap();
            assert_eq!(quantity.number(), expected, "{json}");
        }
        assert!(serde_json::from_str::<Quantity>("true").is_err());
    }
}
