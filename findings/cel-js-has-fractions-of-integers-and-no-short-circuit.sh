#!/usr/bin/env bash
# cel-js 0.8.2 (npm): integers divide to fractions, and `true || ...` still evaluates, and fails in, its right side.
#
# In CEL `7 / 2` is the int 3, an int has all of its 64 bits, and `||` and `&&` are true or false as soon as one side decides,
# whatever error the other side has. cel-js computes with the numbers of JavaScript, and evaluates both sides first. A
# condition of a policy that guards a division or a missing field, and that the gateway accepts, raises an error here, and
# two large ints that differ are equal. So this library cannot be the test bench of a gateway's rules.
# @marcbachmann/cel-js 8.0.0, of nearly the same name, gives what the language says for all four expressions.
#
# Seen:
#   7 / 2                                        cel-js 3.5, @marcbachmann/cel-js 3
#   9223372036854775807 == 9223372036854775806   cel-js true, @marcbachmann/cel-js false
#   true || 1 / 0 == 1                           cel-js error, @marcbachmann/cel-js true
#   {'a': 1}.b == 1 || true                      cel-js error, @marcbachmann/cel-js true
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit cel-js@0.8.2 @marcbachmann/cel-js@8.0.0
cat >finding.mjs <<'END_JS'
import * as first from "cel-js";
import * as second from "@marcbachmann/cel-js";

function outcome(library, expression) {
  try {
    return String(library.evaluate(expression));
  } catch {
    return "error";
  }
}

const expressions = ["7 / 2", "9223372036854775807 == 9223372036854775806", "true || 1 / 0 == 1", "{'a': 1}.b == 1 || true"];
for (const expression of expressions) {
  const outcomes = `cel-js ${outcome(first, expression)}, @marcbachmann/cel-js ${outcome(second, expression)}`;
  console.log(`${expression.padEnd(44)} ${outcomes}`);
}
END_JS
node finding.mjs | tee output.txt
cat >expected.txt <<'END_TXT'
7 / 2                                        cel-js 3.5, @marcbachmann/cel-js 3
9223372036854775807 == 9223372036854775806   cel-js true, @marcbachmann/cel-js false
true || 1 / 0 == 1                           cel-js error, @marcbachmann/cel-js true
{'a': 1}.b == 1 || true                      cel-js error, @marcbachmann/cel-js true
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
