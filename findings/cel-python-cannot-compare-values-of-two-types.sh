#!/usr/bin/env bash
# cel-python 0.5.0: values of two types cannot be compared, and map() has no form with a condition.
#
# In CEL the operands of == and < may be of different types if one of them is dyn, as every field of JSON is: numbers compare
# by value, and values of two kinds are unequal. cel-python raises "no matching overload", so a rule that asks for
# `claims.level == 'admin'` fails, and does not just not match, for a token whose level is 3. The form of map() with a
# condition before the result is a standard macro, and raises a ValueError of Python that is not a CELEvalError. Whoever
# tries the rules of a gateway with this library sees errors where the gateway decides. cel-go 0.33.2 gives what is said
# in brackets.
#
# Seen:
#   claims.level == 'admin'       CELEvalError (the language: false)
#   claims.level < 3.5            CELEvalError (the language: true)
#   [1, 2].map(x, x > 1, x * 2)   ValueError (the language: [4])
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet cel-python==0.5.0
cat >finding.py <<'END_PY'
import celpy

EXPRESSIONS = {
    "claims.level == 'admin'": "false",
    "claims.level < 3.5": "true",
    "[1, 2].map(x, x > 1, x * 2)": "[4]",
}
variables = {"claims": celpy.json_to_cel({"level": 3})}
environment = celpy.Environment()
for expression, meant in EXPRESSIONS.items():
    try:
        outcome = str(environment.program(environment.compile(expression)).evaluate(variables))
    except (celpy.CELEvalError, ValueError) as error:
        outcome = type(error).__name__
    print(f"{expression:29} {outcome} (the language: {meant})")
END_PY
venv/bin/python finding.py | tee output.txt
cat >expected.txt <<'END_TXT'
claims.level == 'admin'       CELEvalError (the language: false)
claims.level < 3.5            CELEvalError (the language: true)
[1, 2].map(x, x > 1, x * 2)   ValueError (the language: [4])
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
