#!/usr/bin/env bash
# tokio 1.54.1 (Rust 1.95): a future that is given to `spawn` is copied eight times before its task has ended, and not once if it
# is boxed first.
#
# Futures are as large as what they hold across an `await`, and moving one copies all of that, whether it is in use yet or not. A
# task's future is moved on the way into `spawn` and into the task's memory. Less expected: it is moved again when it is over,
# because the task's memory holds "running", "finished" and "consumed" in turns, and each turn is written as a whole. What is
# given as `Box::pin(future())` is made in its box: nothing is copied, for one more allocation. tokio itself boxes a future that
# has more than 16 KiB (2 KiB in debug builds), so that the costly ones are those just below. A proxy that starts a task for each
# request, with a future of 5 to 10 KiB, spends as much on that as on the request.
#
# Seen, as the bytes that memcpy and its like have copied for each task, by valgrind's DHAT; the future has 8,000 bytes and some:
#   plain 64 KB, which is 8.0 times its size
#   boxed 0 KB, which is 0.0 times its size
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
command -v valgrind >/dev/null || { apt-get update -qq && apt-get install -qq -y valgrind; }
cd "$folder"
mkdir src
cat >Cargo.toml <<'END_TOML'
[package]
name = "finding"
version = "0.1.0"
edition = "2021"

[dependencies]
tokio = { version = "=1.54.1", features = ["rt"] }
END_TOML
cat >src/main.rs <<'END_RS'
use std::env::args;
use std::hint::black_box;

/// Holds 8,000 bytes while it waits.
async fn large() {
    let mut space = [0u8; 8000];
    black_box(&mut space);
    tokio::task::yield_now().await;
    black_box(&mut space);
}

fn size_of<F>(_: impl FnOnce() -> F) -> usize {
    std::mem::size_of::<F>()
}

fn main() {
    let count: usize = args().nth(1).unwrap().parse().unwrap();
    let boxed = args().nth(2).unwrap() == "boxed";
    println!("size {}", size_of(large));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for _ in 0..count {
            let task = if boxed {
                tokio::spawn(Box::pin(large()))
            } else {
                tokio::spawn(large())
            };
            task.await.unwrap();
        }
    });
}
END_RS
cargo build --quiet --release

copied() {
    valgrind --tool=dhat --mode=copy --dhat-out-file=dhat.out target/release/finding "$1" "$2" 2>&1 |
        sed -n -e 's/^size //p' -e 's/.*Total: *\([0-9,]*\) bytes.*/\1/p' | tr -d ,
}

for way in plain boxed; do
    read -r size few < <(copied 100 "$way" | xargs)
    read -r size more < <(copied 1100 "$way" | xargs)
    awk -v way="$way" -v size="$size" -v bytes=$(((more - few) / 1000)) \
        'BEGIN { printf "%s %.0f KB, which is %.1f times its size\n", way, bytes / 1000, bytes / size }'
done | tee output.txt
diff output.txt - <<'END_OUTPUT'
plain 64 KB, which is 8.0 times its size
boxed 0 KB, which is 0.0 times its size
END_OUTPUT
