#!/usr/bin/env bash
# PyPAC 0.19.0, and pacparser 1.5.3 (PyPI) with pac-resolver 9.0.2 (npm): shExpMatch of a PAC file reads the same pattern in two
# languages, of which neither is that of a shell.
#
# The patterns are "shell expressions": `*`, `?` and, in the implementation that all browsers took over, whatever a regular
# expression means by the other characters. pacparser and pac-resolver do as browsers do: `(a|b)` is an alternative, `+`
# repeats, `$` is the end, so that a path with `+` or `$` matches no pattern that says so, and one with `++` makes the whole
# file fail. PyPAC compares as fnmatch does, without regard to case: an alternative, which many files have, matches nothing.
# One would expect the program in Python to take the way of the browser beside it.
#
# Seen (whether the pattern matches):
#   (a.test|b.test) a.test      pypac false, pacparser true, pac-resolver true
#   A.TEST a.test               pypac true, pacparser false, pac-resolver false
#   */a+b http://a.test/a+b     pypac true, pacparser false, pac-resolver false
#   */$a http://a.test/$a       pypac true, pacparser false, pac-resolver false
#   */c++/* http://a.test/c++/  pypac true, pacparser error, pac-resolver error
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet pypac==0.19.0 pacparser==1.5.3 dukpy==0.6.0
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit pac-resolver@9.0.2 quickjs-wasi@3.0.0
cat >patterns.json <<'END_JSON'
[
  ["(a.test|b.test)", "a.test"],
  ["A.TEST", "a.test"],
  ["*/a+b", "http://a.test/a+b"],
  ["*/$a", "http://a.test/$a"],
  ["*/c++/*", "http://a.test/c++/"]
]
END_JSON
cat >finding.py <<'END_PY'
import json

import pacparser
from pypac.parser import PACFile

FILE = 'function FindProxyForURL(url, host) {{ return shExpMatch("{}", "{}") ? "PROXY a.test:1" : "DIRECT"; }}'


def with_pacparser(file):
    pacparser.parse_pac_string(file)
    return pacparser.find_proxy("http://b.test/", "b.test")


def outcome(evaluate, file):
    try:
        return "false" if evaluate(file) == "DIRECT" else "true"
    except Exception:  # the class of pacparser's error has no name in the module
        return "error"


pacparser.init()
for pattern, text in json.load(open("patterns.json")):
    file = FILE.format(text, pattern)
    first = outcome(lambda file: PACFile(file).find_proxy_for_url("http://b.test/", "b.test"), file)
    print(f"{pattern} {text}".ljust(27), f"pypac {first}, pacparser {outcome(with_pacparser, file)}")
END_PY
cat >finding.mjs <<'END_JS'
import { readFileSync } from "node:fs";
import { createPacResolver } from "pac-resolver";
import { QuickJS } from "quickjs-wasi";

const wasm = readFileSync(new URL(import.meta.resolve("quickjs-wasi/quickjs.wasm")));
for (const [pattern, text] of JSON.parse(readFileSync("patterns.json", "utf8"))) {
  const file = `function FindProxyForURL(url, host) {
    return shExpMatch("${text}", "${pattern}") ? "PROXY a.test:1" : "DIRECT";
  }`;
  const evaluate = createPacResolver(await QuickJS.create({ wasm }), file);
  const outcome = await evaluate("http://b.test/", "b.test").then((answer) => answer !== "DIRECT", () => "error");
  console.log(`, pac-resolver ${outcome}`);
}
END_JS
paste -d '\0' <(venv/bin/python finding.py 2>python.log) <(node finding.mjs) | tee output.txt
cat >expected.txt <<'END_TXT'
(a.test|b.test) a.test      pypac false, pacparser true, pac-resolver true
A.TEST a.test               pypac true, pacparser false, pac-resolver false
*/a+b http://a.test/a+b     pypac true, pacparser false, pac-resolver false
*/$a http://a.test/$a       pypac true, pacparser false, pac-resolver false
*/c++/* http://a.test/c++/  pypac true, pacparser error, pac-resolver error
END_TXT
cmp -s expected.txt output.txt || { cat python.log >&2; echo "this has changed" >&2; exit 1; }
