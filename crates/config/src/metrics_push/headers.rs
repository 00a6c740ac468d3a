//! The header fields of pushes, by which a collector knows who pushes.

use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use crate::policy::headers::is_protected;

/// Header fields, which may be credentials: no value of them is shown, in a fault neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushHeaders(Vec<(HeaderName, HeaderValue)>);

/// Why a text is no list of header fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushHeadersError {
    /// There is none in it.
    #[error("there is no header field in it: write {0}")]
    Empty(&'static str),
    /// One of them has no name.
    #[error("{place}: not a header field: write {form}")]
    Form {
        /// Where it is.
        place: String,
        /// What to write.
        form: &'static str,
    },
    /// One of them has a name that cannot be set.
    #[error("{place}: {name} is not the name of a header field that may be set")]
    Name {
        /// Where it is.
        place: String,
        /// Its name.
        name: String,
    },
    /// One of them has a value that cannot be sent.
    #[error(
        "{place}: the value of {name} is empty, or has characters that header fields cannot have"
    )]
    Value {
        /// Where it is.
        place: String,
        /// Its name.
        name: HeaderName,
    },
}

/// A form of a field in a file.
const LINE: &str = "one line for each, such as Authorization: Bearer TOKEN";
/// A form of fields in a variable.
const PAIR: &str = "name=value,name=value, such as authorization=Bearer%20TOKEN";

impl PushHeaders {
    /// Reads a file with a field in each line. Lines that are blank, or begin with `#`, say nothing.
    ///
    /// # Errors
    /// If a line is no field, or none is there.
    pub fn of_file(text: &str) -> Result<Self, PushHeadersError> {
        let lines = (1..).zip(text.lines().map(str::trim));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let fields = lines.map(|(number, line)| {
            let place = format!("line {number}");
            match line.split_once(':') {
                Some((name, value)) => field(place, name.trim(), value.trim().as_bytes()),
                None => Err(PushHeadersError::Form { place, form: LINE }),
            }
        });
        Self::of(fields, LINE)
    }

    /// Reads a variable of the environment: `name=value,name=value`, with percent-encoding (OpenTelemetry's "Specifying headers
    /// via environment variables"). A value may have further equals signs.
    ///
    /// # Errors
    /// If what stands between two commas is no field, or none is there.
    pub fn of_variable(text: &str) -> Result<Self, PushHeadersError> {
        let pairs = (1..).zip(text.split(',').map(str::trim));
        let pairs = pairs.filter(|(_, pair)| !pair.is_empty());
        let fields = pairs.map(|(number, pair)| {
            let place = format!("field {number}");
            match pair.split_once('=') {
                Some((name, value)) => {
                    let value: Vec<u8> = percent_decode_str(value.trim()).collect();
                    field(place, name.trim(), &value)
                }
                None => Err(PushHeadersError::Form { place, form: PAIR }),
            }
        });
        Self::of(fields, PAIR)
    }

    fn of(
        fields: impl Iterator<Item = Result<(HeaderName, HeaderValue), PushHeadersError>>,
        form: &'static str,
    ) -> Result<Self, PushHeadersError> {
        let fields: Vec<_> = fields.collect::<Result<_, _>>()?;
        match fields.is_empty() {
            true => Err(PushHeadersError::Empty(form)),
            false => Ok(Self(fields)),
        }
    }

    /// The fields.
    #[must_use]
    pub fn fields(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0
    }
}

fn field(
    place: String,
    name: &str,
    value: &[u8],
) -> Result<(HeaderName, HeaderValue), PushHeadersError> {
    let known = HeaderName::try_from(name).ok();
    let Some(known) = known.filter(|name| !is_protected(name)) else {
        let name = name.to_owned();
        return Err(PushHeadersError::Name { place, name });
    };
    match HeaderValue::from_bytes(value) {
        Ok(mut value) if !value.is_empty() => {
            value.set_sensitive(true);
            Ok((known, value))
        }
        _ => Err(PushHeadersError::Value { place, name: known }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields, as they are sent.
    fn sent(read: Result<PushHeaders, PushHeadersError>) -> Result<String, String> {
        let read = read.map_err(|error| error.to_string())?;
        let fields = read.fields().iter().map(|(name, value)| {
            assert!(value.is_sensitive());
            format!("{name}: {}", value.to_str().unwrap())
        });
        Ok(fields.collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn a_file_has_a_field_in_each_line() {
        for (text, expected) in [
            (
                "Authorization: Bearer a:b==\n",
                "authorization: Bearer a:b==",
            ),
            (
                "# of the team\n\nx-scope:  one\r\nX-Key: 50%25\n",
                "x-scope: one; x-key: 50%25",
            ),
        ] {
            assert_eq!(sent(PushHeaders::of_file(text)), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn a_variable_has_pairs_as_opentelemetry_writes_them() {
        for (text, expected) in [
            (
                "Authorization=Bearer%20s3cret",
                "authorization: Bearer s3cret",
            ),
            (
                " a = Basic dXNlcjpwdw== ,b=x%2Cy,",
                "a: Basic dXNlcjpwdw==; b: x,y",
            ),
        ] {
            assert_eq!(
                sent(PushHeaders::of_variable(text)),
                Ok(expected.to_owned())
            );
        }
    }

    #[test]
    fn a_fault_names_the_place_and_never_the_value() {
        let (file, variable) = (PushHeaders::of_file, PushHeaders::of_variable);
        for (read, expected) in [
            (file(""), "there is no header field in it: write one line"),
            (variable(","), "there is no header field in it: write name="),
            (
                file("a: b\ns3cret"),
                "line 2: not a header field: write one line",
            ),
            (
                variable("a=b,s3cret"),
                "field 2: not a header field: write name=",
            ),
            (
                file("Host: s3cret"),
                "line 1: Host is not the name of a header field",
            ),
            (variable("a b=s3cret"), "field 1: a b is not the name"),
            (
                variable("a=s3cret%0d%0ax"),
                "field 1: the value of a is empty, or has",
            ),
            (file("a:"), "line 1: the value of a is empty, or has"),
        ] {
            let told = read.unwrap_err().to_string();
            assert!(told.starts_with(expected), "{told}");
            assert!(!told.contains("s3cret"), "{told}");
        }
        let read = variable("a=s3cret").unwrap();
        assert!(!format!("{read:?}").contains("s3cret"));
    }
}
