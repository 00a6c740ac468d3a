//! The values that are in every line, as text. They are written directly: the formatting of the standard library takes ten
//! times as long for an address.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use egret_config::access_log::{push_digits, push_time};
use egret_config::name::{Host, Port};
use jiff::Timestamp;

pub(super) fn number(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

pub(super) fn ip(ip: IpAddr, out: &mut Vec<u8>) {
    let IpAddr::V4(ip) = ip else {
        // Writing to a vector does not fail.
        let _ = write!(out, "{ip}");
        return;
    };
    let (text, length) = octets(ip);
    out.extend_from_slice(&text[..length - 1]);
}

/// The octets of an address with a dot behind each of them, in front of which so many bytes are.
fn octets(ip: Ipv4Addr) -> ([u8; 24], usize) {
    let mut text = [0; 24];
    let mut length = 0;
    for octet in ip.octets() {
        // What follows the dot is written over, or cut off at the end.
        let (octet, digits) = OCTETS[usize::from(octet)];
        text[length..length + 4].copy_from_slice(&octet);
        length += usize::from(digits) + 1;
    }
    (text, length)
}

/// The text of each byte of an address with a dot behind it, and the number of its digits.
static OCTETS: [([u8; 4], u8); 256] = {
    let mut octets = [([b'.'; 4], 0); 256];
    let mut value = 0_usize;
    while value < 256 {
        let digits = [value / 100, value / 10 % 10, value % 10];
        let mut place = match value {
            0..10 => 2,
            10..100 => 1,
            _ => 0,
        };
        let octet = &mut octets[value];
        octet.1 = 3 - place as u8;
        let mut at = 0;
        while place < 3 {
            octet.0[at] = b'0' + digits[place] as u8;
            place += 1;
            at += 1;
        }
        value += 1;
    }
    octets
};

pub(super) fn address(address: SocketAddr, out: &mut Vec<u8>) {
    match address {
        SocketAddr::V4(address) => {
            let (mut text, mut length) = octets(*address.ip());
            text[length - 1] = b':';
            let mut port = itoa::Buffer::new();
            let port = port.format(address.port()).as_bytes();
            text[length..length + port.len()].copy_from_slice(port);
            length += port.len();
            out.extend_from_slice(&text[..length]);
        }
        SocketAddr::V6(address) => {
            let _ = write!(out, "{address}");
        }
    }
}

/// A destination, as `host:port`.
pub(super) fn destination((host, port): (&Host, Port), out: &mut Vec<u8>) {
    match host {
        Host::Name(name) => out.extend_from_slice(name.as_str().as_bytes()),
        Host::Ip(_) => {
            let _ = write!(out, "{host}");
        }
    }
    out.push(b':');
    number(port.get(), out);
}

/// A time in UTC with milliseconds (RFC 3339); nothing for one that has no such form.
pub(super) fn time(at: SystemTime, out: &mut Vec<u8>) {
    if let Ok(at) = Timestamp::try_from(at) {
        push_time(at, out);
    }
}

/// Milliseconds with a resolution of one microsecond: a cached name is resolved in less than one millisecond. The form is
/// that of a floating-point number: `12.5`, and `12.0` for a whole one.
pub(super) fn milliseconds(duration: Duration, out: &mut Vec<u8>) {
    let microseconds = (duration.as_nanos() + 500) / 1000;
    let whole = u64::try_from(microseconds / 1000).unwrap_or(u64::MAX);
    let rest = u32::try_from(microseconds % 1000).unwrap_or_default();
    number(whole, out);
    out.push(b'.');
    match (rest % 10, rest / 10 % 10) {
        (0, 0) => push_digits::<1>(rest / 100, out),
        (0, _) => push_digits::<2>(rest / 10, out),
        _ => push_digits::<3>(rest, out),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn addresses_are_written_as_the_standard_library_writes_them(
            ip4: [u8; 4], ip6: [u16; 8], port: u16
        ) {
            for end in [SocketAddr::from((ip4, port)), SocketAddr::from((ip6, port))] {
                prop_assert_eq!(written(|out| address(end, out)), end.to_string());
                prop_assert_eq!(written(|out| ip(end.ip(), out)), end.ip().to_string());
            }
        }

        #[test]
        fn times_are_written_as_jiff_writes_them(seconds in 0_u64..400_000_000_000, millis in 0_u64..1000) {
            let at = UNIX_EPOCH + Duration::from_millis(seconds * 1000 + millis);
            let expected = Timestamp::try_from(at).map(|at| format!("{at:.3}"));
            prop_assert_eq!(written(|out| time(at, out)), expected.unwrap_or_default());
        }

        #[test]
        fn milliseconds_are_the_shortest_number(microseconds in 0_u64..100_000_000_000) {
            let text = written(|out| milliseconds(Duration::from_micros(microseconds), out));
            prop_assert_eq!(text, serde_json::to_string(&(microseconds as f64 / 1e3)).unwrap());
        }
    }

    #[test]
    fn microseconds_are_rounded() {
        for (nanoseconds, text) in [(0, "0.0"), (499, "0.0"), (500, "0.001"), (1_999_500, "2.0")] {
            let duration = Duration::from_nanos(nanoseconds);
            assert_eq!(written(|out| milliseconds(duration, out)), text);
        }
    }
}
