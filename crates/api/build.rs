//! Compresses the CustomResourceDefinitions that the crate has: most of their text is indentation.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::ZlibEncoder;

const DEFINITIONS: &str = "src/crd/definitions.json";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed={DEFINITIONS}");
    let folder = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    let compressed = File::create(Path::new(&folder).join("definitions.json.zlib"))?;
    let mut encoder = ZlibEncoder::new(compressed, Compression::best());
    encoder.write_all(&fs::read(DEFINITIONS)?)?;
    encoder.finish()?;
    Ok(())
}
