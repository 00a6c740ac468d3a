#!/usr/bin/env bash
# opentelemetry-api 1.45.2 (Python): a `+` in the field `baggage` is a space, and a space is sent as `+`, which is a `+` to
# @opentelemetry/core 2.12.1 (npm) and to the specification.
#
# W3C Baggage percent-encodes what a value cannot have as it is; `+` is one of the characters that it can have. Only forms of
# HTML write a space as `+`, and the Python library encodes and decodes baggage as they do. So a value changes on its way from a
# service in one language to one in the other, in both directions and without an error: a version 1.2+3, a time with its
# offset, a base64 text, or a name of two words. One would expect the two libraries of one project to agree.
#
# Seen (what is read, and what is sent for a value):
#   baggage: a=1.2+3    python [1.2 3], javascript [1.2+3]
#   baggage: a=1.2%2B3  python [1.2+3], javascript [1.2+3]
#   the value [x y]     python a=x+y, javascript a=x%20y
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet opentelemetry-api==1.45.2
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit @opentelemetry/api@1.9.1 @opentelemetry/core@2.12.1
cat >finding.py <<'END_PY'
from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context

propagator = W3CBaggagePropagator()
for field in ["a=1.2+3", "a=1.2%2B3"]:
    context = propagator.extract({"baggage": field}, Context())
    print(f"baggage: {field:10} python [{baggage.get_baggage('a', context)}]")
sent = {}
propagator.inject(sent, baggage.set_baggage("a", "x y", Context()))
print(f"the value [x y]     python {sent['baggage']}")
END_PY
cat >finding.js <<'END_JS'
const { propagation, ROOT_CONTEXT, defaultTextMapGetter, defaultTextMapSetter } = require("@opentelemetry/api");
const { W3CBaggagePropagator } = require("@opentelemetry/core");

const propagator = new W3CBaggagePropagator();
for (const field of ["a=1.2+3", "a=1.2%2B3"]) {
  const context = propagator.extract(ROOT_CONTEXT, { baggage: field }, defaultTextMapGetter);
  console.log(`, javascript [${propagation.getBaggage(context).getEntry("a").value}]`);
}
const sent = {};
const baggage = propagation.createBaggage({ a: { value: "x y" } });
propagator.inject(propagation.setBaggage(ROOT_CONTEXT, baggage), sent, defaultTextMapSetter);
console.log(`, javascript ${sent.baggage}`);
END_JS
paste -d '\0' <(venv/bin/python finding.py) <(node finding.js) | tee output.txt
cat >expected.txt <<'END_TXT'
baggage: a=1.2+3    python [1.2 3], javascript [1.2+3]
baggage: a=1.2%2B3  python [1.2+3], javascript [1.2+3]
the value [x y]     python a=x+y, javascript a=x%20y
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
