#!/usr/bin/env bash
# mimalloc 0.1.52 (Rust, mimalloc 3.3.2 within): what needs an alignment of 8 bytes and fills a size class above 1 KiB gets the
# next larger class.
#
# A class of 1,280 bytes is there, and 1,280 bytes without a need for alignment get it. Rust tells an allocator the alignment of
# each type, and almost all need 8, which every block has in any case. But the crate asks for aligned memory each time; above
# 1 KiB mimalloc 3 answers that by 7 bytes more than asked for, which do not fit the class, unless the size is a power of two.
# The block is up to a quarter larger, and each such allocation takes the slow path. With the feature `v2` (mimalloc 2.3.2) it
# does not. Whoever measures what a connection or a request holds sees classes that nobody asked for.
#
# Seen, as the size asked for, and the size of the block for bytes and for words of 8 bytes:
#   v3 1024 1024 1024
#   v3 1280 1280 1536
#   v3 1536 1536 1792
#   v3 2048 2048 2048
#   v3 10240 10240 12288
#   v2 1024 1024 1024
#   v2 1280 1280 1280
#   v2 1536 1536 1536
#   v2 2048 2048 2048
#   v2 10240 10240 10240
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat >Cargo.toml <<'END_TOML'
[package]
name = "finding"
version = "0.1.0"
edition = "2021"

[features]
v2 = ["mimalloc/v2"]

[dependencies]
mimalloc = { version = "=0.1.52", default-features = false, features = ["extended"] }
libmimalloc-sys = "=0.1.49"
END_TOML
cat >src/main.rs <<'END_RS'
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    for size in [1024, 1280, 1536, 2048, 10240] {
        let bytes: Box<[u8]> = vec![7; size].into();
        let words: Box<[u64]> = vec![7; size / 8].into();
        let block = |at: *const u8| unsafe { ALLOCATOR.usable_size(at) };
        println!("{size} {} {}", block(bytes.as_ptr()), block(words.as_ptr().cast()));
    }
}
END_RS
{
    cargo run --quiet | sed 's/^/v3 /'
    cargo run --quiet --features v2 | sed 's/^/v2 /'
} | tee output.txt
diff output.txt - <<'END_OUTPUT'
v3 1024 1024 1024
v3 1280 1280 1536
v3 1536 1536 1792
v3 2048 2048 2048
v3 10240 10240 12288
v2 1024 1024 1024
v2 1280 1280 1280
v2 1536 1536 1536
v2 2048 2048 2048
v2 10240 10240 10240
END_OUTPUT
