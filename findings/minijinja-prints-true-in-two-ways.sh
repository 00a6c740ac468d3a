#!/usr/bin/env bash
# MiniJinja 2.22.0: `{{ flag }}` prints `True`, and `{{ nothing }}` prints `None`; 2.21.0 prints `true` and `none`.
#
# Templates that write JSON, as those that change bodies in a gateway do, print true and false as they stand, which was JSON until
# 2.21. From the minor version 2.22 on the same template makes a body that no parser of JSON takes, and texts that are put
# together (`~`) change with it. `{{ flag | tojson }}` is the same in both.
#
# Seen:
#   2.21.0  {"on": true, "of": none, "text": "is true", "json": true}
#   2.22.0  {"on": True, "of": None, "text": "is True", "json": true}
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
cat >finding.py <<'END_PY'
import importlib.metadata

import minijinja

TEMPLATE = '{"on": {{ on }}, "of": {{ of }}, "text": "{{ "is " ~ on }}", "json": {{ on | tojson }}}'
printed = minijinja.Environment().render_str(TEMPLATE, on=True, of=None)
print(f"{importlib.metadata.version('minijinja')}  {printed}")
END_PY
for version in 2.21.0 2.22.0; do
    venv/bin/pip install --quiet minijinja=="$version"
    venv/bin/python finding.py
done | tee output.txt
cat >expected.txt <<'END_TXT'
2.21.0  {"on": true, "of": none, "text": "is true", "json": true}
2.22.0  {"on": True, "of": None, "text": "is True", "json": true}
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
