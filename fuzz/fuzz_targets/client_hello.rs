//! Fuzzes the ClientHello parser: any input is parsed in one way or refused, however it is divided into pieces.

#![no_main]

use egret_config::name::DnsName;
use egret_proxy::client_hello::{ClientHello, HelloError, HelloReader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let at_once = HelloReader::default().read(data);
    // The sizes of the pieces depend on the input.
    let mut reader = HelloReader::default();
    let mut end = 0;
    let in_pieces = loop {
        let step = data
            .get(end)
            .map_or(1, |byte| usize::from(*byte) % 61 + 1);
        end = (end + step).min(data.len());
        match reader.read(&data[..end]) {
            Ok(None) if end < data.len() => {}
            read => break read,
        }
    };
    assert_eq!(at_once, in_pieces, "pieces do not matter");
    check(at_once);

    // The input is also parsed as the content of well-formed records.
    let framed: Vec<u8> = data.chunks(997).flat_map(record).collect();
    check(HelloReader::default().read(&framed));
});

fn record(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a short record");
    [&[22, 3, 1], &length.to_be_bytes()[..], content].concat()
}

fn check(read: Result<Option<ClientHello>, HelloError>) {
    match read {
        Ok(Some(hello)) => {
            assert!(!hello.versions.is_empty());
            if let Some(name) = hello.server_name {
                assert_eq!(
                    DnsName::parse(name.as_str().as_bytes()),
                    Ok(name),
                    "one form"
                );
            }
        }
        Ok(None) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
