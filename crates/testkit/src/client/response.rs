//! HTTP responses as the test clients received them.

use std::io;

/// One HTTP response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The HTTP version, such as `HTTP/1.1`.
    pub version: String,
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    /// The header fields, in order and as written.
    pub headers: HeaderFields,
    /// The decoded body, without its transfer coding.
    pub body: Vec<u8>,
    /// The trailer fields of a chunked body.
    pub trailers: HeaderFields,
}

/// Header fields in order of arrival. Names are compared without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderFields(pub Vec<(String, String)>);

impl Response {
    /// The first value of a header field.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The body as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in a body of JSON: {self:?}"))
    }

    /// Parses a head that includes its final empty line.
    pub(super) fn parse(head: &[u8]) -> io::Result<Self> {
        let head = std::str::from_utf8(head).map_err(|_| invalid("a head that is not UTF-8"))?;
        let (status_line, fields) = head
            .split_once("\r\n")
            .ok_or_else(|| invalid("a head without lines"))?;
        let mut parts = status_line.splitn(3, ' ');
        let (version, status) = (parts.next(), parts.next());
        let status = status.filter(|status| status.len() == 3);
        let (Some(version @ ("HTTP/1.1" | "HTTP/1.0")), Some(Ok(status))) =
            (version, status.map(str::parse))
        else {
            return Err(invalid(&format!("the status line {status_line:?}")));
        };
        Ok(Self {
            version: version.to_owned(),
            status,
            reason: parts.next().unwrap_or_default().to_owned(),
            headers: HeaderFields::parse(fields)?,
            ..Self::default()
        })
    }
}

impl HeaderFields {
    /// The first value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a field, in order.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Parses header field lines up to the first empty line.
    pub(super) fn parse(lines: &str) -> io::Result<Self> {
        let lines = lines.split("\r\n").take_while(|line| !line.is_empty());
        let fields = lines.map(|line| {
            let field = line.split_once(':');
            let (name, value) =
                field.filter(|(name, _)| !name.is_empty() && !name.contains(' '))?;
            Some((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
        });
        let fields = fields.collect::<Option<_>>();
        fields
            .map(Self)
            .ok_or_else(|| invalid("a header field without a name"))
    }
}

pub(super) fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("received {what}"))
}
