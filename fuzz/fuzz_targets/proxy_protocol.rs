//! Fuzzes the PROXY protocol parser: the result for a prefix of a connection does not depend on what follows.

#![no_main]

use egret_proxy::proxy_protocol::{HeaderProgress, ProxyHeader, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let whole = read(data);
    if let Ok(HeaderProgress::Found(ProxyHeader { source, length })) = whole {
        assert!((1..=data.len()).contains(&length));
        assert_eq!(read(&data[..length]), whole, "what follows does not matter");
        assert_eq!(
            read(&data[..length - 1]),
            Ok(HeaderProgress::Partial),
            "all of it is needed"
        );
        if let Some(source) = source {
            assert_eq!(source.ip(), source.ip().to_canonical(), "one form");
        }
    }
    let half = read(&data[..data.len() / 2]);
    assert!(half == Ok(HeaderProgress::Partial) || half == whole);
});
