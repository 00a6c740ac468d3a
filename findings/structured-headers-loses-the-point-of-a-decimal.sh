#!/usr/bin/env bash
# structured-headers 2.1.0 (npm): a Decimal without a fraction is written as an Integer, and one that rounds to nothing as `0.`,
# which is no value at all.
#
# In Structured Fields (RFC 9651) `1.0` and `1` are of two types, and a field is defined to take one of them. The library keeps
# both as a number of JavaScript, so a field that is read and written unchanged, as a proxy does with a list to which it adds
# a member, has another type, and a receiver may refuse it. And a small number loses its only digit behind the point: what
# the library writes, it cannot read. One would expect `0.0` for both. http-sf 1.5.0 (PyPI) keeps the types apart.
#
# Seen (what is written):
#   read from a;q=1.0, b;q=0.5   javascript a;q=1, b;q=0.5
#   read from a;q=1.0, b;q=0.5   python a;q=1.0, b;q=0.5
#   the number 0                 javascript 0
#   the number 0.0004            javascript 0.
#   the number 0.0004            python 0.0
#   read from 0.                 javascript error
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet http-sf==1.5.0
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit structured-headers@2.1.0
cat >finding.mjs <<'END_JS'
import { parseItem, parseList, serializeItem, serializeList } from "structured-headers";

const field = "a;q=1.0, b;q=0.5";
console.log(`read from ${field}   javascript ${serializeList(parseList(field))}`);
for (const number of [0, 0.0004]) {
  console.log(`the number ${number}`.padEnd(28), `javascript ${serializeItem([number, new Map()])}`);
}
try {
  console.log(parseItem("0."));
} catch {
  console.log("read from 0.                 javascript error");
}
END_JS
cat >finding.py <<'END_PY'
from decimal import Decimal

import http_sf

field = "a;q=1.0, b;q=0.5"
print(f"read from {field}   python {http_sf.ser(http_sf.parse(field.encode(), tltype='list'))}")
print(f"the number 0.0004            python {http_sf.ser((Decimal('0.0004'), {}))}")
END_PY
{ node finding.mjs && venv/bin/python finding.py; } | tee output.txt
cat >expected.txt <<'END_TXT'
read from a;q=1.0, b;q=0.5   javascript a;q=1, b;q=0.5
the number 0                 javascript 0
the number 0.0004            javascript 0.
read from 0.                 javascript error
read from a;q=1.0, b;q=0.5   python a;q=1.0, b;q=0.5
the number 0.0004            python 0.0
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
