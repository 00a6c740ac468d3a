//! The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): a header that a load balancer puts before a
//! connection to tell the address of the client.
//!
//! Only the source address is used. The destination address decides nothing here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

mod crc32c;
mod write;

pub(crate) use write::{ClientAddresses, write};

/// The beginning of a header of version 1.
const V1: &[u8] = b"PROXY ";
/// The longest header of version 1 in bytes, with its line break (2.1).
const V1_MAX: usize = 107;
/// The beginning of a header of version 2.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The fixed part of a header of version 2, in bytes.
const V2_FIXED: usize = 16;
/// The longest variable part, in bytes: addresses, and what else the sender tells, for example the client's
/// certificate.
const V2_MAX: usize = 16 * 1024;
/// The length of two IPv4 addresses and ports, in bytes.
const V2_IPV4: usize = 12;
/// The length of two IPv6 addresses and ports, in bytes.
const V2_IPV6: usize = 36;
/// The type of a checksum (2.2.3).
const PP2_TYPE_CRC32C: u8 = 3;

/// The result of reading the beginning of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderProgress {
    /// The bytes may be the beginning of a header; more are needed.
    Partial,
    /// The connection does not begin with a header.
    Absent,
    /// The connection begins with this header.
    Found(ProxyHeader),
}

/// A header of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// The address of the client; `None` if it is the peer of the connection: the sender speaks for itself, or for
    /// something that is not a TCP connection.
    pub source: Option<SocketAddr>,
    /// The length of the header, in bytes.
    pub length: usize,
}

/// Why a connection is refused for its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// There is no header, and the settings require one.
    #[error("the connection does not begin with a PROXY protocol header")]
    Missing,
    /// The header is longer than a header may be.
    #[error("the PROXY protocol header is too long")]
    TooLong,
    /// The version, command, family or transport is unknown.
    #[error("the PROXY protocol header is of an unknown kind")]
    Unknown,
    /// Addresses, ports or lengths cannot be read.
    #[error("the PROXY protocol header is malformed")]
    Malformed,
    /// The checksum does not match.
    #[error("the checksum of the PROXY protocol header is wrong")]
    Checksum,
}

/// Reads the header at the beginning of a connection, of which `bytes` were received so far.
///
/// # Errors
/// [`HeaderError`], if a header cannot be accepted; never [`HeaderError::Missing`].
pub fn read(bytes: &[u8]) -> Result<HeaderProgress, HeaderError> {
    let begins = |with: &[u8]| {
        let both = bytes.len().min(with.len());
        (bytes[..both] == with[..both]).then_some(bytes.len() >= with.len())
    };
    match (begins(V1), begins(V2)) {
        (Some(true), _) => read_v1(bytes),
        (_, Some(true)) => read_v2(bytes),
        (None, None) => Ok(HeaderProgress::Absent),
        _ => Ok(HeaderProgress::Partial),
    }
}

/// Reads a header of version 1, which is one line of text (2.1).
fn read_v1(bytes: &[u8]) -> Result<HeaderProgress, HeaderError> {
    let line = &bytes[..bytes.len().min(V1_MAX)];
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else {
        return if line.len() < V1_MAX {
            Ok(HeaderProgress::Partial)
        } else {
            Err(HeaderError::TooLong)
        };
    };
    let line = str::from_utf8(&line[V1.len()..end]).map_err(|_| HeaderError::Malformed)?;
    let mut words = line.split(' ');
    let source = match words.next() {
        Some("TCP4") => Some(v1_source::<Ipv4Addr>(words)?),
        Some("TCP6") => Some(v1_source::<Ipv6Addr>(words)?),
        // Anything may follow.
        Some("UNKNOWN") => None,
        _ => return Err(HeaderError::Unknown),
    };
    Ok(HeaderProgress::Found(ProxyHeader {
        source,
        length: end + 2,
    }))
}

/// The source of a header whose words are source address, destination address, source port and destination port.
fn v1_source<'a, A: FromStr + Into<IpAddr>>(
    mut words: impl Iterator<Item = &'a str>,
) -> Result<SocketAddr, HeaderError> {
    let mut next = || words.next().ok_or(HeaderError::Malformed);
    let mut address = || next()?.parse::<A>().map_err(|_| HeaderError::Malformed);
    let (source, _destination) = (address()?, address()?);
    let (port, _destination_port) = (v1_port(next()?)?, v1_port(next()?)?);
    match words.next() {
        None => Ok(canonical(source.into(), port)),
        Some(_) => Err(HeaderError::Malformed),
    }
}

/// A port in decimal digits only; `u16::from_str` alone would accept `+80`.
fn v1_port(text: &str) -> Result<u16, HeaderError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    let port = plain.then(|| text.parse().ok()).flatten();
    port.ok_or(HeaderError::Malformed)
}

/// Reads a header of version 2, which is binary (2.2).
fn read_v2(bytes: &[u8]) -> Result<HeaderProgress, HeaderError> {
    let Some((fixed, rest)) = bytes.split_at_checked(V2_FIXED) else {
        return match bytes.get(V2.len()) {
            Some(version) if version >> 4 != 2 => Err(HeaderError::Unknown),
            _ => Ok(HeaderProgress::Partial),
        };
    };
    let [version, kind, length @ ..] = &fixed[V2.len()..] else {
        return Err(HeaderError::Malformed);
    };
    let length = number(length);
    if version >> 4 != 2 {
        return Err(HeaderError::Unknown);
    }
    if length > V2_MAX {
        return Err(HeaderError::TooLong);
    }
    let Some(body) = rest.get(..length) else {
        return Ok(HeaderProgress::Partial);
    };
    let length = V2_FIXED + length;
    let source = match version & 0xf {
        // LOCAL: a connection of the sender's own, such as a health check. Its addresses do not count.
        0 => None,
        1 => v2_source(*kind, body, &bytes[..length])?,
        _ => return Err(HeaderError::Unknown),
    };
    Ok(HeaderProgress::Found(ProxyHeader { source, length }))
}

fn v2_source(kind: u8, body: &[u8], header: &[u8]) -> Result<Option<SocketAddr>, HeaderError> {
    let (family, transport) = (kind >> 4, kind & 0xf);
    if family > 3 || transport > 2 {
        return Err(HeaderError::Unknown);
    }
    let size = match family {
        1 => V2_IPV4,
        2 => V2_IPV6,
        // Unspecified addresses and Unix sockets are skipped.
        _ => return Ok(None),
    };
    let (addresses, tlvs) = body.split_at_checked(size).ok_or(HeaderError::Malformed)?;
    check_tlvs(tlvs, header)?;
    let ports = &addresses[size - 4..];
    let port = u16::from_be_bytes([ports[0], ports[1]]);
    let ip: Option<IpAddr> = match family {
        1 => addresses.first_chunk::<4>().map(|ip| (*ip).into()),
        _ => addresses.first_chunk::<16>().map(|ip| (*ip).into()),
    };
    // A datagram cannot have come over this TCP connection.
    let is_stream = transport == 1;
    Ok(ip.filter(|_| is_stream).map(|ip| canonical(ip, port)))
}

/// Checks the TLVs (type, length, value) after the addresses. A checksum must be that of the header with zeros in place
/// of the checksum.
fn check_tlvs(mut tlvs: &[u8], header: &[u8]) -> Result<(), HeaderError> {
    while let [kind, high, low, rest @ ..] = tlvs {
        let length = number(&[*high, *low]);
        let (value, rest) = rest
            .split_at_checked(length)
            .ok_or(HeaderError::Malformed)?;
        if *kind == PP2_TYPE_CRC32C {
            let expected = value
                .try_into()
                .map(u32::from_be_bytes)
                .map_err(|_| HeaderError::Malformed)?;
            let at = header.len() - rest.len() - length;
            let parts = [&header[..at], &[0; 4], &header[at + length..]];
            if crc32c::checksum(parts) != expected {
                return Err(HeaderError::Checksum);
            }
        }
        tlvs = rest;
    }
    if tlvs.is_empty() {
        Ok(())
    } else {
        Err(HeaderError::Malformed)
    }
}

/// A number in network byte order.
fn number(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |sum, byte| (sum << 8) | usize::from(*byte))
}

/// The address in the form in which addresses of sockets are compared: IPv4-mapped IPv6 as IPv4.
fn canonical(ip: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(ip.to_canonical(), port)
}

#[cfg(test)]
mod tests;
