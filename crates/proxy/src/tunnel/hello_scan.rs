//! Looks for a ClientHello at the beginning of what a client sends through a tunnel.

use egret_config::policy::egress::HelloName;

use crate::client_hello::{ClientHello, HelloReader};

/// The most bytes that are read for a ClientHello, with the headers of its records.
const MAX_BYTES: usize = 32 * 1024;
/// The type of a record with a handshake message (RFC 8446 5.1).
const HANDSHAKE: u8 = 22;
/// The bytes by which other beginnings of TLS are told.
const BEGINNING: usize = 5;

/// What a ClientHello inside a tunnel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TunnelHello {
    /// The server that the client asks for.
    pub(crate) name: HelloName,
    /// Whether an encrypted ClientHello was offered (RFC 9849), so that the name may be that of a front.
    pub(crate) ech: bool,
}

/// What the bytes so far are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ScanResult {
    /// They begin a ClientHello that is not complete.
    Partial,
    /// They are no ClientHello, but what follows may be one.
    Unclear,
    /// A ClientHello; `None` if the client speaks another protocol.
    Found(Option<TunnelHello>),
}

/// Reads the first bytes of a client. A beginning with the type of a handshake record is a ClientHello, or one that cannot
/// be read. So is what some servers accept before or in place of a ClientHello: an alert or a ChangeCipherSpec, and the
/// hello of SSL 2.0, which has no server name.
#[derive(Debug, Default)]
pub(super) struct HelloScan {
    reader: HelloReader,
    read: Vec<u8>,
}

impl HelloScan {
    /// Reads on.
    pub(super) fn read(&mut self, bytes: &[u8]) -> ScanResult {
        // Mostly the first read has the whole message, which then need not be copied.
        let whole: &[u8] = if self.read.is_empty() {
            bytes
        } else {
            self.read.extend_from_slice(bytes);
            &self.read
        };
        let result = match whole.first() {
            None => ScanResult::Unclear,
            Some(&HANDSHAKE) => read_hello(&mut self.reader, whole),
            Some(_) => match is_other_tls(whole) {
                Some(true) => ScanResult::Found(Some(TunnelHello::unreadable())),
                Some(false) => ScanResult::Found(None),
                None => ScanResult::Unclear,
            },
        };
        if self.read.is_empty() && !matches!(result, ScanResult::Found(_)) {
            self.read.extend_from_slice(bytes);
        }
        result
    }

    /// The bytes that were read, unless they were a ClientHello from the first to the last.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.read
    }
}

fn read_hello(reader: &mut HelloReader, whole: &[u8]) -> ScanResult {
    match reader.read(whole) {
        Ok(Some(hello)) => ScanResult::Found(Some(hello.into())),
        Ok(None) if whole.len() < MAX_BYTES => ScanResult::Partial,
        Ok(None) | Err(_) => ScanResult::Found(Some(TunnelHello::unreadable())),
    }
}

/// Whether bytes that do not begin with a handshake record are TLS all the same; `None` if more are needed to tell. Servers
/// ignore the version of the first record (RFC 8446 5.1), or want its first byte to be small.
fn is_other_tls(bytes: &[u8]) -> Option<bool> {
    let fits = |at: usize| match (bytes[0], at, bytes[at]) {
        // A record of an alert or a ChangeCipherSpec: type, version, and a length of two bytes or one.
        (20 | 21, 0 | 2, _)
        | (20 | 21, 1, 0..=15)
        | (20 | 21, 3, 0)
        | (20 | 21, 4, 1 | 2)
        // SSL 2.0: a length with the first bit set, the type, and the version 2 or 3.
        | (0x80..=0xff, 0 | 1 | 4, _)
        | (0x80..=0xff, 2, 1)
        | (0x80..=0xff, 3, 0 | 3) => true,
        _ => false,
    };
    let length = bytes.len().min(BEGINNING);
    if !(0..length).all(fits) {
        return Some(false);
    }
    (length == BEGINNING).then_some(true)
}

impl TunnelHello {
    /// A ClientHello that cannot be read.
    pub(super) fn unreadable() -> Self {
        Self {
            name: HelloName::Unreadable,
            ech: false,
        }
    }
}

impl From<ClientHello> for TunnelHello {
    fn from(hello: ClientHello) -> Self {
        let name = hello.server_name.map(HelloName::Name);
        let address = hello.server_address.map(HelloName::Address);
        Self {
            name: name.or(address).unwrap_or(HelloName::Absent),
            ech: hello.ech.is_some(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
