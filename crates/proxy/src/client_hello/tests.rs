use std::sync::Arc;

use proptest::prelude::*;
use rustls::client::{EchGreaseConfig, EchMode};
use rustls::crypto::aws_lc_rs::hpke::ALL_SUPPORTED_SUITES;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion, version};

use super::*;

/// Reads bytes that arrive all at once.
fn read(bytes: &[u8]) -> Result<Option<ClientHello>, HelloError> {
    HelloReader::default().read(bytes)
}

fn name(text: &str) -> Option<DnsName> {
    Some(text.parse().unwrap())
}

/// The ClientHello of a real library.
struct RustlsHello {
    config: ClientConfig,
}

impl RustlsHello {
    fn speaking(versions: &[&'static SupportedProtocolVersion]) -> Self {
        let provider = crate::tls::provider();
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap();
        Self {
            config: builder
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth(),
        }
    }

    fn pretending_ech() -> Self {
        let suite = ALL_SUPPORTED_SUITES[0];
        let (key, _) = suite.generate_key_pair().unwrap();
        let config = ClientConfig::builder_with_provider(crate::tls::provider())
            .with_ech(EchMode::Grease(EchGreaseConfig::new(suite, key)))
            .unwrap();
        Self {
            config: config
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth(),
        }
    }

    fn hello(self, name: &'static str) -> Vec<u8> {
        let name = ServerName::try_from(name).unwrap();
        let mut client = ClientConnection::new(Arc::new(self.config), name).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }
}

#[test]
fn hellos_of_a_real_library() {
    let mut both = RustlsHello::speaking(&[&version::TLS13, &version::TLS12]);
    both.config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let expected = ClientHello {
        server_name: name("a.example"),
        server_address: None,
        alpn: vec![b"h2"[..].into(), b"http/1.1"[..].into()],
        ech: None,
        versions: vec![0x0304, 0x0303],
        legacy_version: 0x0303,
    };
    assert_eq!(read(&both.hello("a.example")), Ok(Some(expected)));

    let old = RustlsHello::speaking(&[&version::TLS12]).hello("b.example");
    let old = read(&old).unwrap().unwrap();
    assert_eq!(old.server_name, name("b.example"));
    assert!(old.alpn.is_empty());
    assert_eq!(old.versions.last(), Some(&0x0303));

    let mut silent = RustlsHello::speaking(&[&version::TLS13]);
    silent.config.enable_sni = false;
    let silent = read(&silent.hello("a.example")).unwrap().unwrap();
    assert_eq!((silent.server_name, silent.versions), (None, vec![0x0304]));
    let literal = RustlsHello::speaking(&[&version::TLS13]).hello("192.0.2.1");
    assert_eq!(read(&literal).unwrap().unwrap().server_name, None);

    let hidden = read(&RustlsHello::pretending_ech().hello("a.example")).unwrap();
    assert_eq!(hidden.unwrap().ech, Some(EchType::Outer));
}

/// A ClientHello that is spelt out here, so that tests can spoil it.
#[derive(Clone)]
struct SpeltHello {
    version: u16,
    session: Vec<u8>,
    ciphers: Vec<u8>,
    compressions: Vec<u8>,
    extensions: Option<Vec<u8>>,
    more: Vec<u8>,
}

fn list_u8(data: &[u8]) -> Vec<u8> {
    [&[u8::try_from(data.len()).unwrap()], data].concat()
}

fn list_u16(data: &[u8]) -> Vec<u8> {
    [&u16::try_from(data.len()).unwrap().to_be_bytes(), data].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &list_u16(data)].concat()
}

fn sni(name: &[u8]) -> Vec<u8> {
    extension(
        SERVER_NAME,
        &list_u16(&[&[HOST_NAME], &list_u16(name)[..]].concat()),
    )
}

impl SpeltHello {
    fn with(extensions: &[u8]) -> Self {
        Self {
            version: 0x0303,
            session: vec![7; 32],
            ciphers: vec![0x13, 0x01],
            compressions: vec![0],
            extensions: Some(extensions.to_vec()),
            more: Vec::new(),
        }
    }

    fn message(&self) -> Vec<u8> {
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend([9; 32]);
        body.extend(list_u8(&self.session));
        body.extend(list_u16(&self.ciphers));
        body.extend(list_u8(&self.compressions));
        if let Some(extensions) = &self.extensions {
            body.extend(list_u16(extensions));
        }
        body.extend(&self.more);
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[CLIENT_HELLO], &length[1..], &body].concat()
    }

    fn read(&self) -> Result<Option<ClientHello>, HelloError> {
        read(&records(&self.message(), MAX_RECORD))
    }
}

/// The message in records with this many bytes of content each.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    let parts = message.chunks(size);
    parts
        .flat_map(|part| [&[HANDSHAKE, 3, 1][..], &list_u16(part)].concat())
        .collect()
}

#[test]
fn names_have_one_form_or_are_none() {
    for spelling in ["a.example", "A.EXAMPLE", "a.example.", "A.Example."] {
        let hello = SpeltHello::with(&sni(spelling.as_bytes()))
            .read()
            .unwrap()
            .unwrap();
        assert_eq!(hello.server_name, name("a.example"), "{spelling}");
    }
    for spelling in [
        &b""[..],
        b".",
        b"a..example",
        b"a.example..",
        b"a.example\0",
        b"a.example\0.b.example",
        b"a.example:443",
        b"a example",
        b"192.0.2.1.",
        b"2130706433",
        b"0x7f.1",
        b"[::1]",
        b"a@b.example",
        b"*.example",
        b"\xc3\xa4.example",
        &[b'a'; 64],
    ] {
        let read = SpeltHello::with(&sni(spelling)).read();
        assert!(
            matches!(read, Err(HelloError::Name(_))),
            "{spelling:?} {read:?}"
        );
    }
}

/// undici sends the address of a proxy that has no name as the SNI.
#[test]
fn who_asks_for_an_address_asks_for_no_name() {
    for address in ["192.0.2.1", "::1"] {
        let hello = SpeltHello::with(&sni(address.as_bytes())).read();
        let hello = hello.unwrap().unwrap();
        assert_eq!(hello.server_name, None, "{address}");
        let expected = Some(address.parse().unwrap());
        assert_eq!(hello.server_address, expected, "{address}");
    }
}

#[test]
fn what_old_clients_say() {
    let old = SpeltHello {
        version: 0x0301,
        extensions: None,
        session: Vec::new(),
        ..SpeltHello::with(&[])
    };
    let hello = old.read().unwrap().unwrap();
    assert_eq!(
        (hello.legacy_version, hello.versions),
        (0x0301, vec![0x0301])
    );
    assert_eq!(
        SpeltHello::with(&[]).read().unwrap().unwrap().server_name,
        None
    );
}

#[test]
fn encrypted_hellos() {
    for (data, expected) in [
        (&[0, 0, 1, 0, 1, 5, 0, 0, 0, 0][..], Some(EchType::Outer)),
        (&[1][..], Some(EchType::Inner)),
        (&[1, 0][..], None),
        (&[2][..], None),
        (&[][..], None),
    ] {
        let hello = SpeltHello::with(&extension(ENCRYPTED_CLIENT_HELLO, data)).read();
        let ech = hello.ok().flatten().map(|hello| hello.ech);
        assert_eq!(ech, expected.map(Some), "{data:?}");
    }
}

#[test]
fn what_is_malformed() {
    let good = SpeltHello::with(&sni(b"a.example"));
    assert!(good.read().is_ok());
    let name = |kind: u8, text: &[u8]| [&[kind], &list_u16(text)[..]].concat();
    let two = [name(HOST_NAME, b"a.example"), name(HOST_NAME, b"b.example")].concat();
    let other = [name(HOST_NAME, b"a.example"), name(1, b"b.example")].concat();
    for extensions in [
        extension(SERVER_NAME, &[]),
        extension(SERVER_NAME, &list_u16(&[])),
        extension(SERVER_NAME, &list_u16(&two)),
        extension(SERVER_NAME, &list_u16(&other)),
        extension(SERVER_NAME, &list_u16(&name(1, b"a.example"))),
        extension(
            SERVER_NAME,
            &[&list_u16(&name(HOST_NAME, b"a"))[..], &[0]].concat(),
        ),
        [sni(b"a.example"), sni(b"a.example")].concat(),
        [extension(7, &[]), sni(b"a.example"), extension(7, &[])].concat(),
        extension(ALPN, &[]),
        extension(ALPN, &list_u16(&[])),
        extension(ALPN, &list_u16(&list_u8(&[]))),
        extension(ALPN, &list_u16(&[3, b'h', b'2'])),
        extension(SUPPORTED_VERSIONS, &[0]),
        extension(SUPPORTED_VERSIONS, &[3, 3, 4, 3]),
        vec![0],
        vec![0, 0, 0],
        vec![0, 0, 0, 9, 1],
    ] {
        let read = SpeltHello::with(&extensions).read();
        assert_eq!(read, Err(HelloError::Malformed), "{extensions:?}");
    }
    let spoilt = |spoil: fn(&mut SpeltHello)| {
        let mut spelt = good.clone();
        spoil(&mut spelt);
        assert_eq!(spelt.read(), Err(HelloError::Malformed));
    };
    spoilt(|it| it.session = vec![0; 33]);
    spoilt(|it| it.ciphers = Vec::new());
    spoilt(|it| it.ciphers = vec![0; 3]);
    spoilt(|it| it.compressions = Vec::new());
    spoilt(|it| it.more = vec![0]);
}

#[test]
fn what_is_no_hello() {
    for (bytes, expected) in [
        (&b"GET / HTTP/1.1\r\n"[..], HelloError::Http),
        (b"PRI * HTTP/2.0", HelloError::Http),
        (b"\0", HelloError::NotTls),
        (b"\x16\x02", HelloError::NotTls),
        (b"\x17\x03\x03\0\x01\0", HelloError::NotTls),
        (b"\x14\x03\x03\0\x01\x01", HelloError::NotTls),
        (b"\x80\x2e\x00", HelloError::NotTls),
        (b"\x80\x2e\x01", HelloError::Ssl2),
        (b"\x15\x03\x01\0\x02\x02\x28", HelloError::Alert),
        // Another message; empty records; records that are too long.
        (b"\x16\x03\x01\0\x01\x02", HelloError::Malformed),
        (b"\x16\x03\x01\0\x00", HelloError::Malformed),
        (b"\x16\x03\x01\x40\x01", HelloError::Malformed),
        (b"\x16\x03\x01\0\x04\x01\0\x40\x01", HelloError::TooLong),
        // Another record within the message.
        (b"\x16\x03\x01\0\x01\x01\x15", HelloError::Malformed),
        (
            b"\x16\x03\x01\0\x01\x01\x14\x03\x03\0\x01\x01",
            HelloError::Malformed,
        ),
    ] {
        assert_eq!(read(bytes), Err(expected), "{bytes:?}");
    }
    for bytes in [
        &b""[..],
        b"\x16",
        b"\x16\x03",
        b"\x16\x03\x01\0",
        b"\x80",
        b"\x80\x2e",
    ] {
        assert_eq!(read(bytes), Ok(None), "{bytes:?}");
    }
}

#[test]
fn the_longest_hello_and_one_that_is_longer() {
    let padded =
        |size| SpeltHello::with(&[sni(b"a.example"), extension(21, &vec![0; size])].concat());
    let around = padded(0).message().len() - MESSAGE_HEADER;
    let longest = padded(MAX_MESSAGE - around);
    assert!(longest.read().unwrap().is_some());
    for size in [1, 100, MAX_RECORD] {
        let bytes = records(&longest.message(), size);
        assert!(read(&bytes).unwrap().is_some(), "{size}");
    }
    assert_eq!(
        padded(MAX_MESSAGE - around + 1).read(),
        Err(HelloError::TooLong)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn fragments_do_not_matter(record in 1..700_usize, sizes in prop::collection::vec(1..300_usize, 1..20), rest in prop::collection::vec(any::<u8>(), 0..9)) {
        let hello = RustlsHello::speaking(&[&version::TLS13, &version::TLS12]).hello("a.example");
        let expected = read(&hello).unwrap();
        prop_assert!(expected.is_some());
        let bytes = records(&hello[RECORD_HEADER..], record);
        let with_rest = [&bytes[..], &rest].concat();
        prop_assert_eq!(read(&with_rest), Ok(expected.clone()));
        // In parts.
        let mut reader = HelloReader::default();
        let mut end = 0;
        for size in sizes.iter().cycle() {
            end = (end + size).min(bytes.len());
            let read = reader.read(&bytes[..end]);
            if end == bytes.len() {
                prop_assert_eq!(read, Ok(expected));
                break;
            }
            prop_assert_eq!(read, Ok(None));
        }
    }

    #[test]
    fn every_beginning_asks_for_more(record in 1..700_usize) {
        let hello = RustlsHello::speaking(&[&version::TLS13]).hello("a.example");
        let bytes = records(&hello[RECORD_HEADER..], record);
        let mut reader = HelloReader::default();
        for end in 0..bytes.len() {
            prop_assert_eq!(reader.read(&bytes[..end]), Ok(None), "{}", end);
        }
        prop_assert!(reader.read(&bytes).unwrap().is_some());
    }

    #[test]
    fn damage_is_an_error_or_another_hello(at in any::<prop::sample::Index>(), with in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = RustlsHello::speaking(&[&version::TLS13, &version::TLS12]).hello("a.example");
        let at = at.index(bytes.len());
        bytes[at] = with;
        let at_once = read(&bytes);
        let cut = cut.index(bytes.len());
        let mut reader = HelloReader::default();
        let mut read = reader.read(&bytes[..cut]);
        if read == Ok(None) {
            read = reader.read(&bytes);
        }
        prop_assert_eq!(read, at_once);
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), is_record in any::<bool>()) {
        let bytes = if is_record {
            records(&[&[CLIENT_HELLO, 0, 0, 200][..], &bytes].concat(), MAX_RECORD)
        } else {
            bytes
        };
        let _ = read(&bytes);
    }
}
