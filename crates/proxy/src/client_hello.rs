//! Reads the ClientHello (RFC 8446 4.1.2, RFC 5246 7.4.1.2), the first message of a TLS client, for its SNI.
//!
//! The message is only looked at: the TLS library, or the upstream of a passthrough, reads it again.

use std::net::IpAddr;

use egret_config::name::{DnsName, NameError};

mod cursor;

use cursor::ByteCursor;

/// The longest message that is read, in bytes. Browsers send about two thousand, with post-quantum key shares.
const MAX_MESSAGE: usize = 16 * 1024;
/// The longest content of a record, in bytes (RFC 8446 5.1).
const MAX_RECORD: usize = 1 << 14;
/// The bytes before the content of a record.
const RECORD_HEADER: usize = 5;
/// The bytes before the body of a message.
const MESSAGE_HEADER: usize = 4;
/// Types of records.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
/// The type of the message.
const CLIENT_HELLO: u8 = 1;
/// Types of extensions.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
/// The only type of name that is defined (RFC 6066 3).
const HOST_NAME: u8 = 0;

/// The content of a ClientHello.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The SNI (RFC 6066 3), canonical; `None` if the client sent none, or an address.
    pub server_name: Option<DnsName>,
    /// The address that some clients send as the SNI although it is not a name (RFC 6066 3).
    pub server_address: Option<IpAddr>,
    /// The protocols that the client offers (ALPN, RFC 7301), as their registered ids.
    pub alpn: Vec<Box<[u8]>>,
    /// Set if the client sent the extension of an encrypted ClientHello (RFC 9849). The name in the clear may then be
    /// that of a front only; a client without a key for the server sends the extension as well (GREASE), which looks
    /// the same.
    pub ech: Option<EchType>,
    /// The versions that the client supports, preferred first: those of the extension, else the legacy version.
    pub versions: Vec<u16>,
    /// The version that records to the client should carry.
    pub legacy_version: u16,
}

/// The type of a ClientHello with the extension for encrypted ones (RFC 9849 5, ECHClientHelloType).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EchType {
    /// The ClientHello in the clear, which carries the encrypted one.
    Outer,
    /// The ClientHello that was encrypted. A front that decrypts for this proxy sends it.
    Inner,
}

/// Why a ClientHello could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// The connection begins with another protocol.
    #[error("the connection does not begin with TLS")]
    NotTls,
    /// The connection begins with what looks like a request of HTTP in the clear.
    #[error("this port speaks TLS, and the client began with HTTP in the clear")]
    Http,
    /// The connection begins with the hello of SSL 2.0 (RFC 6176).
    #[error("the connection begins with SSL 2.0")]
    Ssl2,
    /// The client sent an alert in place of a ClientHello.
    #[error("the client sent an alert")]
    Alert,
    /// Lengths do not add up, an extension is repeated, or the message is another one.
    #[error("the ClientHello is malformed")]
    Malformed,
    /// The message is longer than `MAX_MESSAGE`.
    #[error("the ClientHello has more than 16384 bytes")]
    TooLong,
    /// The SNI is not a valid name.
    #[error("the ClientHello asks for a name that is not one: {0}")]
    Name(NameError),
}

/// Reads a ClientHello that arrives in parts. Every byte is looked at once, however the parts are cut.
#[derive(Debug, Default)]
pub struct HelloReader {
    /// How many bytes of the connection have been read.
    at: usize,
    /// How many bytes of the content of the current record are still to come.
    left: usize,
    /// The message so far, without the headers of records.
    message: Vec<u8>,
}

impl HelloReader {
    /// Reads on. `bytes` is everything that was received on the connection so far; `None` if more is needed.
    ///
    /// # Errors
    /// [`HelloError`], if the connection does not begin with a ClientHello that can be read.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<ClientHello>, HelloError> {
        loop {
            if let Some(hello) = self.message_body()? {
                return ClientHello::parse(hello).map(Some);
            }
            let rest = bytes.get(self.at..).unwrap_or_default();
            if self.left == 0 {
                let Some(length) = content_length(rest, self.at == 0)? else {
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

    /// The body of the message, once it is complete.
    fn message_body(&self) -> Result<Option<&[u8]>, HelloError> {
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
            .fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
        if length > MAX_MESSAGE {
            return Err(HelloError::TooLong);
        }
        Ok(body.get(..length))
    }
}

/// The length of the content of a record, from its header; `None` if the header is not complete.
fn content_length(record: &[u8], is_first: bool) -> Result<Option<usize>, HelloError> {
    let refuse = |what| {
        Err(if is_first {
            what
        } else {
            HelloError::Malformed
        })
    };
    match *record {
        [ALERT, ..] if is_first => return Err(HelloError::Alert),
        // Two bytes of length with the first bit set, then the type.
        [0x80..=0xff, _, CLIENT_HELLO, ..] => return refuse(HelloError::Ssl2),
        [0x80..=0xff] | [0x80..=0xff, _] if is_first => return Ok(None),
        [] | [HANDSHAKE] => return Ok(None),
        [HANDSHAKE, 3, ..] => {}
        // Methods are written in capitals.
        [b'A'..=b'Z', ..] if is_first => return Err(HelloError::Http),
        _ => return refuse(HelloError::NotTls),
    }
    let Some(&[high, low]) = record.get(3..RECORD_HEADER) else {
        return Ok(None);
    };
    match usize::from(u16::from_be_bytes([high, low])) {
        // Records without content are not allowed (RFC 8446 5.1), and could go on forever.
        0 => Err(HelloError::Malformed),
        length @ 1..=MAX_RECORD => Ok(Some(length)),
        _ => Err(HelloError::Malformed),
    }
}

impl ClientHello {
    /// Reads the body of a message.
    fn parse(body: &[u8]) -> Result<Self, HelloError> {
        Self::fields(body).ok_or(HelloError::Malformed)?
    }

    /// Reads the body of a message; `None` if it is malformed.
    fn fields(body: &[u8]) -> Option<Result<Self, HelloError>> {
        let mut body = ByteCursor(body);
        let legacy_version = body.u16()?;
        let _random = body.take(32)?;
        let session = body.vector_u8()?;
        let ciphers = body.vector_u16()?;
        let compressions = body.vector_u8()?;
        let well_formed = session.0.len() <= 32
            && !ciphers.0.is_empty()
            && ciphers.0.len().is_multiple_of(2)
            && !compressions.0.is_empty();
        let mut hello = Self {
            legacy_version,
            ..Self::default()
        };
        // Before TLS 1.2 a message may have no extensions.
        let mut extensions = if body.0.is_empty() {
            ByteCursor(&[])
        } else {
            body.vector_u16()?
        };
        let mut seen = Vec::new();
        let mut name = None;
        while !extensions.0.is_empty() {
            let kind = extensions.u16()?;
            let data = extensions.vector_u16()?;
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
        let unique = seen.windows(2).all(|pair| pair[0] != pair[1]);
        if !(well_formed && unique && body.0.is_empty()) {
            return None;
        }
        if hello.versions.is_empty() {
            hello.versions.push(legacy_version);
        }
        hello.server_address = name.and_then(address);
        let name = name.filter(|_| hello.server_address.is_none());
        Some(match name.map(DnsName::parse).transpose() {
            Ok(server_name) => Ok(Self {
                server_name,
                ..hello
            }),
            Err(error) => Err(HelloError::Name(error)),
        })
    }
}

/// The SNI as an address.
fn address(name: &[u8]) -> Option<IpAddr> {
    str::from_utf8(name).ok()?.parse().ok()
}

/// The only name of the list: a list may have one name of each type, and only one type is defined (RFC 6066 3).
fn host_name(mut data: ByteCursor<'_>) -> Option<&[u8]> {
    let mut names = data.vector_u16()?;
    let kind = names.u8()?;
    let name = names.vector_u16()?;
    (kind == HOST_NAME && names.0.is_empty() && data.0.is_empty()).then_some(name.0)
}

/// The protocols of ALPN: at least one, none of them empty (RFC 7301 3.1).
fn protocols(mut data: ByteCursor<'_>) -> Option<Vec<Box<[u8]>>> {
    let mut list = data.vector_u16()?;
    let mut protocols = Vec::new();
    while !list.0.is_empty() {
        let protocol = list.vector_u8().filter(|protocol| !protocol.0.is_empty())?;
        protocols.push(protocol.0.into());
    }
    (!protocols.is_empty() && data.0.is_empty()).then_some(protocols)
}

/// The supported versions: at least one (RFC 8446 4.2.1).
fn versions(mut data: ByteCursor<'_>) -> Option<Vec<u16>> {
    let mut list = data.vector_u8()?;
    let mut versions = Vec::new();
    while !list.0.is_empty() {
        versions.push(list.u16()?);
    }
    (!versions.is_empty() && data.0.is_empty()).then_some(versions)
}

/// The type of the ClientHello; what follows it is encrypted (RFC 9849 5).
fn ech(mut data: ByteCursor<'_>) -> Option<EchType> {
    match data.u8()? {
        0 => Some(EchType::Outer),
        1 if data.0.is_empty() => Some(EchType::Inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
