#!/usr/bin/env bash
# opentelemetry-sdk 1.45.2 (Python): of an OTEL_RESOURCE_ATTRIBUTES with a pair that cannot be read, the other pairs stay in
# force, and a value whose bytes are no UTF-8 gets a replacement character.
#
# The specification of the resource SDK says that the whole value should be discarded in case of any error, such as one while
# decoding. So a process in Python and one that follows the specification, with the same environment, report other resources:
# their metrics and spans do not join. A name of a service that is set there, before or behind the pair that is broken, is
# used by one and not by the other. One would expect no attribute of the variable in either case.
#
# Seen: `a=1,broken,b=2 gives {'a': '1', 'b': '2'}` and `a=%ff gives {'a': '\ufffd'}`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet opentelemetry-sdk==1.45.2
cat >finding.py <<'END_PY'
import os

from opentelemetry.sdk.resources import OTELResourceDetector

for text in ["a=b%20c", "a=1,broken,b=2", "a=%ff"]:
    os.environ["OTEL_RESOURCE_ATTRIBUTES"] = text
    attributes = OTELResourceDetector().detect().attributes
    print(text, "gives", ascii(dict(attributes)))
END_PY
venv/bin/python finding.py 2>/dev/null | tee output.txt
cat >expected.txt <<'END_TXT'
a=b%20c gives {'a': 'b c'}
a=1,broken,b=2 gives {'a': '1', 'b': '2'}
a=%ff gives {'a': '\ufffd'}
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
