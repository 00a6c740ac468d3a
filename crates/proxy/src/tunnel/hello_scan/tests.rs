use std::sync::Arc;

use egret_config::name::DnsName;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::*;

/// The ClientHello of a client that asks for `server`, a name or an address.
pub(in crate::tunnel) fn hello_for(server: &str) -> Vec<u8> {
    let config = ClientConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let server = ServerName::try_from(server.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), server).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

fn found(name: HelloName) -> ScanResult {
    ScanResult::Found(Some(TunnelHello { name, ech: false }))
}

#[test]
fn a_hello_is_found_however_it_is_cut() {
    let hello = hello_for("a.example");
    let name = HelloName::Name(DnsName::parse(b"a.example").unwrap());
    for part in [1, 2, 7, 100, hello.len()] {
        let mut scan = HelloScan::default();
        let mut parts = hello.chunks(part).peekable();
        while let Some(bytes) = parts.next() {
            let result = scan.read(bytes);
            if parts.peek().is_some() {
                assert_eq!(result, ScanResult::Partial, "{part}");
            } else {
                assert_eq!(result, found(name.clone()), "{part}");
            }
        }
    }
    let result = HelloScan::default().read(&hello_for("192.0.2.1"));
    assert_eq!(result, found(HelloName::Absent));
}

#[test]
fn other_protocols_are_told_by_their_first_byte() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"SSH-2.0-x\r\n",
        b"PRI * HTTP/2.0",
        b"\0\0\0\x08",
        b"\x05\x01\0",
        b"\x17\x03\x03\0\x10",
        b"\x15\x03\x03\0\x03",
        b"\x15\x10\x03\0\x02",
        b"\x14\x03\x03\x01\x01",
        b"\x80\x2e\x02",
        b"\x80\x2e\x01\x04",
        b"\xff\xff\xff",
    ] {
        let result = HelloScan::default().read(bytes);
        assert_eq!(result, ScanResult::Found(None), "{bytes:02x?}");
        let result = HelloScan::default().read(&bytes[..1]);
        assert_ne!(result, ScanResult::Partial, "{bytes:02x?}");
    }
}

/// What begins like a handshake record is never let pass as something else, and neither is what servers accept before a
/// ClientHello or in its place.
#[test]
fn what_may_be_tls_counts_as_a_hello_that_cannot_be_read() {
    for bytes in [
        &b"\x16\x02\x01\0\x05\x01"[..],
        b"\x16\x03\x01\0\0",
        b"\x16\x03\x01\x7f\xff",
        b"\x16\x03\x01\0\x04\x02\0\0\0",
        b"\x16GET",
        b"\x15\x03\x01\0\x02",
        b"\x15\x02\x01\0\x02\x01\x5a",
        b"\x14\x03\x03\0\x01\x01",
        b"\x80\x2e\x01\x03\x01",
        b"\x80\x2e\x01\0\x02",
    ] {
        let result = HelloScan::default().read(bytes);
        assert_eq!(result, found(HelloName::Unreadable), "{bytes:02x?}");
        // Byte by byte it is found as well, and no byte before a handshake record waits.
        let mut scan = HelloScan::default();
        let waits = bytes[0] == 0x16;
        let unread = if waits {
            ScanResult::Partial
        } else {
            ScanResult::Unclear
        };
        let results: Vec<_> = bytes.iter().map(|byte| scan.read(&[*byte])).collect();
        let at = results.iter().position(|result| *result != unread).unwrap();
        assert_eq!(results[at], found(HelloName::Unreadable), "{bytes:02x?}");
    }
}

#[test]
fn a_hello_that_never_ends_is_given_up() {
    let mut scan = HelloScan::default();
    // Each record has one byte of a long message.
    let mut result = scan.read(b"\x16\x03\x01\0\x04\x01\0\x3f\xff");
    let mut count = 9;
    while result == ScanResult::Partial {
        result = scan.read(b"\x16\x03\x01\0\x01\0");
        count += 6;
    }
    assert_eq!(result, found(HelloName::Unreadable));
    assert!((MAX_BYTES..MAX_BYTES + 6).contains(&count), "{count}");
}
