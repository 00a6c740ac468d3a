# A new user tries it: check, serve, the three ways to send a request, a mistake, a change, and the end.
. "$WALKS/lib.sh"

expect "egress gateway" "$("$EGRET" --help)"
resolver
allow_hello http
"$EGRET" check config >check.txt || fail "check: $(cat check.txt)"

# A mistyped kind is no smaller a mistake than a mistyped field.
sed 's/kind: EgressPolicy/kind: EgresPolicy/' config/egress.yaml >config/wrong.yaml
expect_exit 1 "$EGRET" check config >check.txt 2>&1
expect "did you mean EgressPolicy?" "$(cat check.txt)"
rm config/wrong.yaml

serve
wait_for is_ready
for way in host absolute tunnel; do
  expect " 200 " "$($way "hello.test:$UPSTREAM")"
done
expect " 403 Forbidden: 169.254.169.254:80 is denied: no rule of EgressPolicy" "$(host 169.254.169.254)"

# A change is served, and a mistake is told and not served.
sed -i 's/hello.test/renamed.test/' config/egress.yaml
wait_for has_said "generation=2"
expect "403" "$(host "hello.test:$UPSTREAM")"
echo "  ruls: []" >>config/egress.yaml
wait_for has_said "ruls"
expect "egress.yaml" "$(admin /report)"
expect "403" "$(host "hello.test:$UPSTREAM")"
allow_hello http
wait_for has_said "generation=3"
expect " 200 " "$(host "hello.test:$UPSTREAM")"

expect "hello.test" "$(admin /dns)"
expect "egret_responses_total" "$(admin /metrics)"
finish
has_said "all requests have finished" || fail "the end is not told"
