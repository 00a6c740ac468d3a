//! What a client says first when it speaks TLS: its ClientHello (RFC 8446 4.1.2, RFC 5246 7.4.1.2), which tells the name
//! that it asks for. It is only read; whoever ends the TLS reads it again.

use std::net::IpAddr;

use egret_config::name::{DnsName, NameError};

mod cursor;

use cursor::Cursor;

/// Octets of the message that are read. Those of browsers are of two thousand, with keys that withstand quantum computers.
const MAX_MESSAGE: usize = 16 * 1024;
/// Octets that the content of a record may have (RFC 8446 5.1).
const MAX_RECORD: usize = 1 << 14;
/// Octets before the content of a record, and before the body of a message.
const RECORD_HEADER: usize = 5;
const MESSAGE_HEADER: usize = 4;
/// Types of records, and of the message.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// Extensions.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
/// The one type of name that there is (RFC 6066 3).
const HOST_NAME: u8 = 0;

/// What a client said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The name that it asks for (RFC 6066 3), canonical; none if it asks for an address.
    pub server_name: Option<DnsName>,
    /// The protocols that it would speak within (RFC 7301), as they are registered.
    pub alpn: Vec<Box<[u8]>>,
    /// Whether it says more in an encrypted hello (RFC 9849). What is in the clear may then be about a front only, or it
    /// may be a pretence, which looks the same.
    pub ech: Option<Ech>,
    /// The versions that it speaks, preferred first: those of the extension, else the one it begins with.
    pub versions: Vec<u16>,
    /// The version that records sent to it should be of.
    pub legacy_version: u16,
}

/// Which of the two hellos one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ech {
    /// The one in the clear, which holds the other.
    Outer,
    /// The one that was encrypted. A front that deciphers for us sends it.
    Inner,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// The connection begins with something else.
    #[error("the connection does not begin with TLS")]
    NotTls,
    /// That of SSL 2.0 (RFC 6176).
    #[error("the connection begins with SSL 2.0")]
    Ssl2,
    /// The client gives up before it began.
    #[error("the client sent an alert")]
    Alert,
    /// Lengths that do not add up, extensions that come twice, another message.
    #[error("the ClientHello is malformed")]
    Malformed,
    /// It is longer than it may be.
    #[error("the ClientHello has more than 16384 octets")]
    TooLong,
    /// The name that it asks for is none.
    #[error("the ClientHello asks for a name that is not one: {0}")]
    Name(NameError),
}

/// Reads a hello that comes bit by bit. Every octet is looked at once, however they come.
#[derive(Debug, Default)]
pub struct Reader {
    /// How much of the connection has been read.
    at: usize,
    /// How much of the content of a record is still to come.
    left: usize,
    /// The message so far, without what is around it.
    message: Vec<u8>,
}

impl Reader {
    /// Goes on reading. `octets` are all that the connection began with; `None` if that is not enough.
    ///
    /// # Errors
    /// [`HelloError`].
    pub fn read(&mut self, octets: &[u8]) -> Result<Option<ClientHello>, HelloError> {
        loop {
            if let Some(hello) = self.whole()? {
                return ClientHello::parse(hello).map(Some);
            }
            let rest = octets.get(self.at..).unwrap_or_default();
            if self.left == 0 {
                let Some(length) = content_of(rest, self.at == 0)? else {
                    return Ok(None);
                };
                self.left = length;
                self.at += RECORD_HEADER;
            } else if rest.is_empty() {
                return Ok(None);
            } else {
                let part = &rest[..rest.len().min(self.left)];
                self.message.extend_from_slice(part);
                self.left -= part.len();
                self.at += part.len();
            }
        }
    }

    /// The body of the message, once all of it is there.
    fn whole(&self) -> Result<Option<&[u8]>, HelloError> {
        let Some((header, body)) = self.message.split_at_checked(MESSAGE_HEADER) else {
            return match self.message.first() {
                Some(&kind) if kind != CLIENT_HELLO => Err(HelloError::Malformed),
                _ => Ok(None),
            };
        };
        if header[0] != CLIENT_HELLO {
            return Err(HelloError::Malformed);
        }
        let length = header[1..]
            .iter()
            .fold(0, |sum, octet| (sum << 8) | usize::from(*octet));
        if length > MAX_MESSAGE {
            return Err(HelloError::TooLong);
        }
        Ok(body.get(..length))
    }
}

/// How long the content of the record is whose header this is; `None` if that is not known yet.
fn content_of(record: &[u8], is_first: bool) -> Result<Option<usize>, HelloError> {
    let refuse = |what| {
        Err(if is_first {
            what
        } else {
            HelloError::Malformed
        })
    };
    match *record {
        [ALERT, ..] if is_first => return Err(HelloError::Alert),
        // Two octets of length, of which the first bit is set, then the type.
        [0x80..=0xff, _, CLIENT_HELLO, ..] => return refuse(HelloError::Ssl2),
        [0x80..=0xff] | [0x80..=0xff, _] if is_first => return Ok(None),
        [] | [HANDSHAKE] => return Ok(None),
        [HANDSHAKE, 3, ..] => {}
        _ => return refuse(HelloError::NotTls),
    }
    let Some(&[high, low]) = record.get(3..RECORD_HEADER) else {
        return Ok(None);
    };
    match usize::from(u16::from_be_bytes([high, low])) {
        // Those without content are not allowed (RFC 8446 5.1), and would go on for ever.
        0 => Err(HelloError::Malformed),
        length @ 1..=MAX_RECORD => Ok(Some(length)),
        _ => Err(HelloError::Malformed),
    }
}

impl ClientHello {
    /// Reads the body of the message.
    fn parse(body: &[u8]) -> Result<Self, HelloError> {
        Self::fields(body).ok_or(HelloError::Malformed)?
    }

    /// `None` if it is malformed.
    fn fields(body: &[u8]) -> Option<Result<Self, HelloError>> {
        let mut body = Cursor(body);
        let legacy_version = body.u16()?;
        let _random = body.take(32)?;
        let session = body.list_u8()?;
        let ciphers = body.list_u16()?;
        let compressions = body.list_u8()?;
        let sound = session.0.len() <= 32
            && !ciphers.0.is_empty()
            && ciphers.0.len().is_multiple_of(2)
            && !compressions.0.is_empty();
        let mut hello = Self {
            legacy_version,
            ..Self::default()
        };
        // Before TLS 1.2 there may be none.
        let mut extensions = if body.0.is_empty() {
            Cursor(&[])
        } else {
            body.list_u16()?
        };
        let mut seen = Vec::new();
        let mut name = None;
        while !extensions.0.is_empty() {
            let kind = extensions.u16()?;
            let data = extensions.list_u16()?;
            seen.push(kind);
            match kind {
                SERVER_NAME => name = Some(host_name(data)?),
                ALPN => hello.alpn = protocols(data)?,
                SUPPORTED_VERSIONS => hello.versions = versions(data)?,
                ENCRYPTED_CLIENT_HELLO => hello.ech = Some(ech(data)?),
                _ => {}
            }
        }
        seen.sort_unstable();
        let once = seen.windows(2).all(|two| two[0] != two[1]);
        if !(sound && once && body.0.is_empty()) {
            return None;
        }
        if hello.versions.is_empty() {
            hello.versions.push(legacy_version);
        }
        let name = name.filter(|name| !is_address(name));
        Some(match name.map(DnsName::parse).transpose() {
            Ok(server_name) => Ok(Self {
                server_name,
                ..hello
            }),
            Err(error) => Err(HelloError::Name(error)),
        })
    }
}

/// Some clients ask for an address, which is not a name (RFC 6066 3): they ask for none.
fn is_address(name: &[u8]) -> bool {
    str::from_utf8(name).is_ok_and(|text| text.parse::<IpAddr>().is_ok())
}

/// The only name of the list: there is one type, and no two may be of one (RFC 6066 3).
fn host_name(mut data: Cursor<'_>) -> Option<&[u8]> {
    let mut names = data.list_u16()?;
    let kind = names.u8()?;
    let name = names.list_u16()?;
    (kind == HOST_NAME && names.0.is_empty() && data.0.is_empty()).then_some(name.0)
}

/// At least one, none of them empty (RFC 7301 3.1).
fn protocols(mut data: Cursor<'_>) -> Option<Vec<Box<[u8]>>> {
    let mut list = data.list_u16()?;
    let mut protocols = Vec::new();
    while !list.0.is_empty() {
        let protocol = list.list_u8().filter(|protocol| !protocol.0.is_empty())?;
        protocols.push(protocol.0.into());
    }
    (!protocols.is_empty() && data.0.is_empty()).then_some(protocols)
}

/// At least one (RFC 8446 4.2.1).
fn versions(mut data: Cursor<'_>) -> Option<Vec<u16>> {
    let mut list = data.list_u8()?;
    let mut versions = Vec::new();
    while !list.0.is_empty() {
        versions.push(list.u16()?);
    }
    (!versions.is_empty() && data.0.is_empty()).then_some(versions)
}

/// What follows the type is for who has the key (RFC 9849 5).
fn ech(mut data: Cursor<'_>) -> Option<Ech> {
    match data.u8()? {
        0 => Some(Ech::Outer),
        1 if data.0.is_empty() => Some(Ech::Inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
