use proptest::prelude::*;

use super::*;

fn found(source: &str, length: usize) -> Result<HeaderProgress, HeaderError> {
    let source = (!source.is_empty()).then(|| source.parse().unwrap());
    Ok(HeaderProgress::Found(ProxyHeader { source, length }))
}

/// A header of version 2.
fn v2(version: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [V2, &[version, kind], &length, body].concat()
}

/// A TLV: type, length, value.
fn more(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind], &length[..], value].concat()
}

/// The addresses and ports of a connection from 192.0.2.1:1000 to 198.51.100.1:443.
const IPV4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 1, 3, 232, 1, 187];

/// The addresses and ports of a connection from 2001:db8::1, port 1000.
fn ipv6() -> Vec<u8> {
    let source: Ipv6Addr = "2001:db8::1".parse().unwrap();
    [&source.octets()[..], &[0; 16], &[3, 232, 1, 187]].concat()
}

/// A header with a correct checksum.
fn summed(kind: u8, addresses: &[u8]) -> Vec<u8> {
    let mut header = v2(0x21, kind, &[addresses, &more(3, &[0; 4])].concat());
    let sum = crc32c::checksum([&header[..]]);
    let at = header.len() - 4;
    header[at..].copy_from_slice(&sum.to_be_bytes());
    header
}

#[test]
fn version_1() {
    for (line, source) in [
        ("TCP4 192.0.2.1 198.51.100.1 1000 443", "192.0.2.1:1000"),
        (
            "TCP4 255.255.255.255 255.255.255.255 65535 65535",
            "255.255.255.255:65535",
        ),
        ("TCP4 192.0.2.1 198.51.100.1 0 0", "192.0.2.1:0"),
        ("TCP6 2001:db8::1 ::1 1000 443", "[2001:db8::1]:1000"),
        ("TCP6 ::ffff:192.0.2.1 ::1 1000 443", "192.0.2.1:1000"),
        ("UNKNOWN", ""),
        ("UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535", ""),
    ] {
        let header = format!("PROXY {line}\r\nGET / HTTP/1.1\r\n\r\n");
        let length = "PROXY \r\n".len() + line.len();
        assert_eq!(read(header.as_bytes()), found(source, length), "{line}");
    }
}

#[test]
fn version_1_that_is_malformed() {
    for line in [
        "TCP4",
        "TCP4 192.0.2.1 198.51.100.1 1000",
        "TCP4 192.0.2.1 198.51.100.1 1000 443 1",
        "TCP4 192.0.2.1 198.51.100.1 1000 443 ",
        "TCP4 192.0.2.1  198.51.100.1 1000 443",
        "TCP4 2001:db8::1 ::1 1000 443",
        "TCP4 192.0.2.01 198.51.100.1 1000 443",
        "TCP4 192.0.2.1 198.51.100.1 +1000 443",
        "TCP4 192.0.2.1 198.51.100.1 01000 443",
        "TCP4 192.0.2.1 198.51.100.1 65536 443",
        "TCP4 a.example 198.51.100.1 1000 443",
        "TCP4 192.0.2.1\t198.51.100.1 1000 443",
        "TCP6 192.0.2.1 198.51.100.1 1000 443",
        "TCP6 [2001:db8::1] ::1 1000 443",
        "TCP6 fe80::1%eth0 ::1 1000 443",
        "TCP4 192.0.2.1 198.51.100.1 1000 443\n",
    ] {
        let header = format!("PROXY {line}\r\n");
        assert_eq!(
            read(header.as_bytes()),
            Err(HeaderError::Malformed),
            "{line}"
        );
    }
    for line in [
        "",
        "TCP",
        "UDP4 192.0.2.1 198.51.100.1 1000 443",
        "tcp4 a b 1 2",
        " TCP4",
    ] {
        let header = format!("PROXY {line}\r\n");
        assert_eq!(read(header.as_bytes()), Err(HeaderError::Unknown), "{line}");
    }
    let longest = format!("PROXY UNKNOWN {}", "x".repeat(91));
    assert_eq!(read(format!("{longest}\r\n").as_bytes()), found("", 107));
    assert_eq!(
        read(format!("{longest}x\r\n").as_bytes()),
        Err(HeaderError::TooLong)
    );
    assert_eq!(read(&[0xff; 10]), Ok(HeaderProgress::Absent));
    assert_eq!(read(b"PROXY TCP4 \xff\r\n"), Err(HeaderError::Malformed));
}

#[test]
fn version_2() {
    let ssl = more(0x20, b"\x01\0\0\0\0");
    let with_more = [&IPV4[..], &more(4, &[0; 7]), &ssl].concat();
    for (header, source) in [
        (v2(0x21, 0x11, &IPV4), "192.0.2.1:1000"),
        (v2(0x21, 0x21, &ipv6()), "[2001:db8::1]:1000"),
        (v2(0x21, 0x11, &with_more), "192.0.2.1:1000"),
        (summed(0x11, &IPV4), "192.0.2.1:1000"),
        (summed(0x21, &ipv6()), "[2001:db8::1]:1000"),
        // Datagrams, an unspecified family, Unix sockets.
        (v2(0x21, 0x12, &IPV4), ""),
        (v2(0x21, 0x00, &[]), ""),
        (v2(0x21, 0x00, &[7; 50]), ""),
        (v2(0x21, 0x31, &[0; 216]), ""),
        // LOCAL, with any content.
        (v2(0x20, 0x00, &[]), ""),
        (v2(0x20, 0x11, &IPV4), ""),
        (v2(0x20, 0xff, &[9; 3]), ""),
        (v2(0x20, 0x00, &[0; V2_MAX]), ""),
    ] {
        let length = header.len();
        let with_rest = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(read(&with_rest), found(source, length), "{header:?}");
    }
    let mapped: Ipv6Addr = "::ffff:192.0.2.1".parse().unwrap();
    let mapped = [&mapped.octets()[..], &ipv6()[16..]].concat();
    assert_eq!(read(&v2(0x21, 0x21, &mapped)), found("192.0.2.1:1000", 52));
}

#[test]
fn version_2_that_is_malformed() {
    for (version, kind) in [
        (0x11, 0x11),
        (0x31, 0x11),
        (0x22, 0x11),
        (0x2f, 0x11),
        (0x21, 0x41),
        (0x21, 0x13),
        (0x21, 0xff),
    ] {
        let header = v2(version, kind, &IPV4);
        assert_eq!(
            read(&header),
            Err(HeaderError::Unknown),
            "{version:x} {kind:x}"
        );
    }
    for (kind, body) in [
        (0x11, &IPV4[..11]),
        (0x21, &IPV4[..]),
        (0x11, &[&IPV4[..], &[4]].concat()),
        (0x11, &[&IPV4[..], &[4, 0]].concat()),
        (0x11, &[&IPV4[..], &[4, 0, 1]].concat()),
        (0x11, &[&IPV4[..], &more(3, &[0; 3])].concat()),
    ] {
        let header = v2(0x21, kind, body);
        assert_eq!(read(&header), Err(HeaderError::Malformed), "{body:?}");
    }
    let mut too_long = v2(0x20, 0x00, &[]);
    too_long[14..16].copy_from_slice(&u16::try_from(V2_MAX + 1).unwrap().to_be_bytes());
    assert_eq!(read(&too_long), Err(HeaderError::TooLong));
}

#[test]
fn a_checksum_is_of_every_byte() {
    let header = summed(0x11, &IPV4);
    for at in V2_FIXED..V2_FIXED + IPV4.len() {
        let mut damaged = header.clone();
        damaged[at] ^= 1;
        assert_eq!(read(&damaged), Err(HeaderError::Checksum), "{at}");
    }
}

#[test]
fn no_header() {
    for begin in [
        "GET / HTTP/1.1",
        "PRI * HTTP/2.0",
        "P\r\n",
        "\r\nGET /",
        "\x16\x03\x01",
        "proxy ",
    ] {
        assert_eq!(
            read(begin.as_bytes()),
            Ok(HeaderProgress::Absent),
            "{begin:?}"
        );
    }
    for begin in ["", "P", "PROXY", "\r", "\r\n\r\n"] {
        assert_eq!(
            read(begin.as_bytes()),
            Ok(HeaderProgress::Partial),
            "{begin:?}"
        );
    }
}

fn headers() -> impl Strategy<Value = Vec<u8>> {
    let address =
        any::<Ipv6Addr>().prop_map(|ip| format!("PROXY TCP6 {ip} ::1 1 2\r\n").into_bytes());
    let values = prop::collection::vec(any::<u8>(), 0..300);
    prop_oneof![
        address,
        Just(b"PROXY UNKNOWN\r\n".to_vec()),
        Just(summed(0x11, &IPV4)),
        values.prop_map(|value| v2(0x21, 0x21, &[&ipv6()[..], &more(0xee, &value)].concat())),
    ]
}

proptest! {
    #[test]
    fn every_beginning_of_a_header_asks_for_more(header in headers(), rest in prop::collection::vec(any::<u8>(), 0..20)) {
        for end in 0..header.len() {
            prop_assert_eq!(read(&header[..end]), Ok(HeaderProgress::Partial), "{}", end);
        }
        let whole = read(&header);
        let Ok(HeaderProgress::Found(ProxyHeader { length, .. })) = whole else {
            return Err(TestCaseError::fail(format!("{whole:?}")));
        };
        prop_assert_eq!(length, header.len());
        prop_assert_eq!(read(&[&header[..], &rest].concat()), whole);
    }

    #[test]
    fn what_was_decided_stays_so(bytes in prop::collection::vec(any::<u8>(), 0..64), prefix in 0..3_usize) {
        let bytes = [[&b""[..], V1, V2][prefix], &bytes].concat();
        let mut decided = None;
        for end in 0..=bytes.len() {
            let read = read(&bytes[..end]);
            if let Some(decided) = decided {
                prop_assert_eq!(read, decided);
            } else if read != Ok(HeaderProgress::Partial) {
                decided = Some(read);
            }
        }
    }
}
