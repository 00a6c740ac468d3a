//! The definitions as the program has them: those of `definitions.json`, compressed by the build.

use std::io::Read as _;

use flate2::read::ZlibDecoder;
use serde_json::Value;

const COMPRESSED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/definitions.json.zlib"));

/// Every definition, with what becomes of each field. Nothing keeps them: they are wanted once in a process, if at all.
pub(super) fn definitions() -> Vec<Value> {
    let mut text = String::new();
    let read = ZlibDecoder::new(COMPRESSED).read_to_string(&mut text);
    let definitions = read.ok().and_then(|_| serde_json::from_str(&text).ok());
    // A test compares them with what the types make.
    definitions.unwrap_or_default()
}
