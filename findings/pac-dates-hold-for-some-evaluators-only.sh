#!/usr/bin/env bash
# pac-resolver 9.0.2 (npm): dateRange is never true. PyPAC 0.19.0 knows fewer of its forms than pacparser 1.5.3 (PyPI), which knows
# no days of the week across Sunday.
#
# A PAC file tells programs their proxy, and may tell it by date: for a move to another gateway on a day, or on weekends. pac-resolver,
# which pac-proxy-agent and proxy-agent evaluate PAC files with, documents every form of dateRange and answers false to all. PyPAC
# has no single date, `dateRange(24, "DEC", 2026)`, and a range of weekdays that begins on Saturday is empty for pacparser. A file
# that was tried in one program sends the next another way, without an error.
#
# Seen (each condition holds at any time):
#   dateRange(1, 31)                            pypac true, pacparser true, pac-resolver false
#   dateRange("JAN", "DEC")                     pypac true, pacparser true, pac-resolver false
#   dateRange(2000, 2999)                       pypac true, pacparser true, pac-resolver false
#   dateRange(1, "JAN", 2000, 31, "DEC", 2999)  pypac true, pacparser true, pac-resolver false
#   dateRange(day, month, year) for one of all  pypac false, pacparser true, pac-resolver false
#   weekdayRange("SAT", "FRI")                  pypac true, pacparser false, pac-resolver true
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet pypac==0.19.0 pacparser==1.5.3 dukpy==0.6.0
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit pac-resolver@9.0.2 quickjs-wasi@3.0.0
cat >files.mjs <<'END_JS'
import { writeFileSync } from "node:fs";

const months = '["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]';
const some = (arguments_) => `(function () {
  var months = ${months}, year = new Date().getFullYear();
  for (var day = 1; day <= 31; day++)
    for (var i = 0; i < 12; i++) if (dateRange(${arguments_})) return true;
  return false;
})()`;
const conditions = {
  "dateRange(day, month, year) for one of all": some("day, months[i], year"),
};
const names = ['dateRange(1, 31)', 'dateRange("JAN", "DEC")', "dateRange(2000, 2999)",
  'dateRange(1, "JAN", 2000, 31, "DEC", 2999)', ...Object.keys(conditions), 'weekdayRange("SAT", "FRI")'];
const files = names.map((name) => [name,
  `function FindProxyForURL(url, host) { return ${conditions[name] ?? name} ? "PROXY a.test:1" : "DIRECT"; }`]);
writeFileSync("files.json", JSON.stringify(files));
END_JS
cat >finding.py <<'END_PY'
import json

import pacparser
from pypac.parser import PACFile

pacparser.init()
for name, file in json.load(open("files.json")):
    pacparser.parse_pac_string(file)
    first = PACFile(file).find_proxy_for_url("http://b.test/", "b.test") != "DIRECT"
    second = pacparser.find_proxy("http://b.test/", "b.test") != "DIRECT"
    print(f"{name:43} pypac {first}, pacparser {second}".replace("True", "true").replace("False", "false"))
END_PY
cat >finding.mjs <<'END_JS'
import { readFileSync } from "node:fs";
import { createPacResolver } from "pac-resolver";
import { QuickJS } from "quickjs-wasi";

const wasm = readFileSync(new URL(import.meta.resolve("quickjs-wasi/quickjs.wasm")));
for (const [, file] of JSON.parse(readFileSync("files.json", "utf8"))) {
  const answer = await createPacResolver(await QuickJS.create({ wasm }), file)("http://b.test/", "b.test");
  console.log(`, pac-resolver ${answer !== "DIRECT"}`);
}
END_JS
node files.mjs
paste -d '\0' <(venv/bin/python finding.py) <(node finding.mjs) | tee output.txt
cat >expected.txt <<'END_TXT'
dateRange(1, 31)                            pypac true, pacparser true, pac-resolver false
dateRange("JAN", "DEC")                     pypac true, pacparser true, pac-resolver false
dateRange(2000, 2999)                       pypac true, pacparser true, pac-resolver false
dateRange(1, "JAN", 2000, 31, "DEC", 2999)  pypac true, pacparser true, pac-resolver false
dateRange(day, month, year) for one of all  pypac false, pacparser true, pac-resolver false
weekdayRange("SAT", "FRI")                  pypac true, pacparser false, pac-resolver true
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
