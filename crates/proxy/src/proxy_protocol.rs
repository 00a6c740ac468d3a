//! The header that a load balancer in front of us puts before a connection, to say whose it is: PROXY protocol, versions
//! 1 and 2 (haproxy.org, proxy-protocol.txt).
//!
//! Only the source address is taken. Where the client had connected to decides nothing here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

mod crc32c;

/// What a header of version 1 begins with.
const V1: &[u8] = b"PROXY ";
/// Octets that one may have, with its line break (2.1).
const V1_MAX: usize = 107;
/// What a header of version 2 begins with.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Octets before what is counted by the length of a header of version 2.
const V2_FIXED: usize = 16;
/// Octets that may follow them: addresses, and what else the sender tells. Some tell the client's certificate.
const V2_MAX: usize = 16 * 1024;
/// Two IPv4 addresses and ports.
const V2_IPV4: usize = 12;
/// The same of IPv6.
const V2_IPV6: usize = 36;
/// The type of a checksum (2.2.3).
const PP2_TYPE_CRC32C: u8 = 3;

/// How far the reading of a header has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It may be one; more octets are needed.
    Partial,
    /// It is none.
    Absent,
    /// It is one.
    Found(Header),
}

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The client; `None` is whoever the connection is from: the sender speaks for itself, or of something that is no
    /// TCP connection.
    pub source: Option<SocketAddr>,
    /// Octets of the header.
    pub length: usize,
}

/// Why a header is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// There is none, and there has to be one.
    #[error("the connection does not begin with a PROXY protocol header")]
    Missing,
    /// It is longer than it may be.
    #[error("the PROXY protocol header is too long")]
    TooLong,
    /// A version, command, family or transport that there is not.
    #[error("the PROXY protocol header is of an unknown kind")]
    Unknown,
    /// Addresses, ports or lengths that are none.
    #[error("the PROXY protocol header is malformed")]
    Malformed,
    /// The checksum is another.
    #[error("the checksum of the PROXY protocol header is wrong")]
    Checksum,
}

/// Reads the header that `octets`, the beginning of a connection, begin with.
///
/// # Errors
/// [`HeaderError`], but never [`HeaderError::Missing`].
pub fn read(octets: &[u8]) -> Result<Progress, HeaderError> {
    let begins = |with: &[u8]| {
        let both = octets.len().min(with.len());
        (octets[..both] == with[..both]).then_some(octets.len() >= with.len())
    };
    match (begins(V1), begins(V2)) {
        (Some(true), _) => read_v1(octets),
        (_, Some(true)) => read_v2(octets),
        (None, None) => Ok(Progress::Absent),
        _ => Ok(Progress::Partial),
    }
}

/// One line (2.1).
fn read_v1(octets: &[u8]) -> Result<Progress, HeaderError> {
    let line = &octets[..octets.len().min(V1_MAX)];
    let Some(end) = line.windows(2).position(|two| two == b"\r\n") else {
        return if line.len() < V1_MAX {
            Ok(Progress::Partial)
        } else {
            Err(HeaderError::TooLong)
        };
    };
    let line = str::from_utf8(&line[V1.len()..end]).map_err(|_| HeaderError::Malformed)?;
    let mut words = line.split(' ');
    let source = match words.next() {
        Some("TCP4") => Some(v1_source::<Ipv4Addr>(words)?),
        Some("TCP6") => Some(v1_source::<Ipv6Addr>(words)?),
        // Whatever follows it.
        Some("UNKNOWN") => None,
        _ => return Err(HeaderError::Unknown),
    };
    Ok(Progress::Found(Header {
        source,
        length: end + 2,
    }))
}

/// Of source address, destination address, source port, destination port.
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

/// Digits only; `u16::from_str` alone would take `+80`.
fn v1_port(text: &str) -> Result<u16, HeaderError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    let port = plain.then(|| text.parse().ok()).flatten();
    port.ok_or(HeaderError::Malformed)
}

/// Binary (2.2).
fn read_v2(octets: &[u8]) -> Result<Progress, HeaderError> {
    let Some((fixed, rest)) = octets.split_at_checked(V2_FIXED) else {
        return match octets.get(V2.len()) {
            Some(version) if version >> 4 != 2 => Err(HeaderError::Unknown),
            _ => Ok(Progress::Partial),
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
        return Ok(Progress::Partial);
    };
    let length = V2_FIXED + length;
    let source = match version & 0xf {
        // LOCAL: the sender's own, such as a check of our health. What is told of addresses does not count.
        0 => None,
        1 => v2_source(*kind, body, &octets[..length])?,
        _ => return Err(HeaderError::Unknown),
    };
    Ok(Progress::Found(Header { source, length }))
}

fn v2_source(kind: u8, body: &[u8], header: &[u8]) -> Result<Option<SocketAddr>, HeaderError> {
    let (family, transport) = (kind >> 4, kind & 0xf);
    if family > 3 || transport > 2 {
        return Err(HeaderError::Unknown);
    }
    let size = match family {
        1 => V2_IPV4,
        2 => V2_IPV6,
        // Unspecified, or Unix sockets: skipped as a whole.
        _ => return Ok(None),
    };
    let (addresses, more) = body.split_at_checked(size).ok_or(HeaderError::Malformed)?;
    check_more(more, header)?;
    let ports = &addresses[size - 4..];
    let port = u16::from_be_bytes([ports[0], ports[1]]);
    let ip: Option<IpAddr> = match family {
        1 => addresses.first_chunk::<4>().map(|ip| (*ip).into()),
        _ => addresses.first_chunk::<16>().map(|ip| (*ip).into()),
    };
    // Datagrams do not come over TCP.
    let is_stream = transport == 1;
    Ok(ip.filter(|_| is_stream).map(|ip| canonical(ip, port)))
}

/// Looks through what follows the addresses: type, length, value, and again. A checksum has to be that of the header, with
/// zeros in its own place.
fn check_more(mut more: &[u8], header: &[u8]) -> Result<(), HeaderError> {
    while let [kind, high, low, rest @ ..] = more {
        let length = number(&[*high, *low]);
        let (value, rest) = rest
            .split_at_checked(length)
            .ok_or(HeaderError::Malformed)?;
        if *kind == PP2_TYPE_CRC32C {
            let told = value
                .try_into()
                .map(u32::from_be_bytes)
                .map_err(|_| HeaderError::Malformed)?;
            let at = header.len() - rest.len() - length;
            let parts = [&header[..at], &[0; 4], &header[at + length..]];
            if crc32c::of(parts) != told {
                return Err(HeaderError::Checksum);
            }
        }
        more = rest;
    }
    if more.is_empty() {
        Ok(())
    } else {
        Err(HeaderError::Malformed)
    }
}

/// In network byte order.
fn number(octets: &[u8]) -> usize {
    octets
        .iter()
        .fold(0, |sum, octet| (sum << 8) | usize::from(*octet))
}

/// As sockets are told: IPv4 inside IPv6 as IPv4.
fn canonical(ip: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(ip.to_canonical(), port)
}

#[cfg(test)]
mod tests;
