#!/usr/bin/env bash
# regex 1.13.2 (Rust) and google-re2 1.1.20251105: both compile these patterns, and match different texts with them.
#
# Rust's regex is known as RE2 in Rust, and a pattern that both accept should mean the same. But in the brackets of a class
# `&&`, `--` and `~~` are operators on sets for Rust's, and a `[` opens a class within the class; RE2 reads characters and
# ranges. And \d is any decimal digit of Unicode for Rust's, and one of ten for RE2. So a matcher of type RegularExpression
# that is taken over from Envoy, whose engine is RE2, starts without an error in a gateway in Rust and selects other
# requests. The first pattern is of a query: a value up to the next `&`, with the `&` typed twice.
#
# Seen, for a match of the whole text:
#   [^/&&?]+  and a&b: re2 no, regex yes
#   [!--]     and +: re2 yes, regex no
#   [a~~b]+   and a~b: re2 yes, regex no
#   [[a]b]    and [b]: re2 yes, regex no
#   \d+       and ٣: re2 no, regex yes
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet google-re2==1.1.20251105
cat >cases.txt <<'END_TXT'
[^/&&?]+ a&b
[!--] +
[a~~b]+ a~b
[[a]b] [b]
\d+ ٣
END_TXT
cat >finding.py <<'END_PY'
import re2

for line in open("cases.txt", encoding="utf-8"):
    pattern, text = line.split()
    print("yes" if re2.fullmatch(pattern, text) else "no")
END_PY
mkdir src
cat >Cargo.toml <<'END_TOML'
[package]
name = "finding"
version = "0.1.0"
edition = "2021"

[dependencies]
regex = "=1.13.2"
END_TOML
cat >src/main.rs <<'END_RS'
fn main() {
    for line in include_str!("../cases.txt").lines() {
        let (pattern, text) = line.split_once(' ').unwrap();
        let regex = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
        println!("{}", if regex.is_match(text) { "yes" } else { "no" });
    }
}
END_RS
venv/bin/python finding.py >re2.txt
cargo run --quiet >regex.txt
paste -d' ' cases.txt re2.txt regex.txt | while read -r pattern text re2 regex; do
    printf '%-9s and %s: re2 %s, regex %s\n' "$pattern" "$text" "$re2" "$regex"
done | tee output.txt
cat >expected.txt <<'END_TXT'
[^/&&?]+  and a&b: re2 no, regex yes
[!--]     and +: re2 yes, regex no
[a~~b]+   and a~b: re2 yes, regex no
[[a]b]    and [b]: re2 yes, regex no
\d+       and ٣: re2 no, regex yes
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
