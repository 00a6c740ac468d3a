# Three in the morning: what was refused and why, from the client's words to the log line to the metric; a bad change; the end.
. "$WALKS/lib.sh"

resolver
allow_hello http
serve --shutdown-delay 300ms
wait_for is_ready

# The client's own words name the rule, and the log line is found by the identity in them.
told=$(host "mail.test:$UPSTREAM")
expect "403 Forbidden: mail.test:$UPSTREAM is denied by rule no-mail of EgressPolicy kgateway-system/partners" "$told"
expect "egret: mail.test:$UPSTREAM is denied by rule no-mail" "$(cat body.txt)"
id=$(curl --noproxy '*' -sS -o /dev/null -D - "http://$GATEWAY/" -H "host: mail.test:$UPSTREAM" |
  sed -n 's/.*id="\([0-9a-f]*\)".*/\1/p')
[ -n "$id" ] || fail "the refusal has no identity"
wait_for has_logged "\"id\":\"$id\""
line=$(grep -F "\"id\":\"$id\"" access.txt)
expect '"rule":"no-mail"' "$line"
expect '"verdict":"deny"' "$line"
expect '"generation":1' "$line"
expect 'reason="egress_policy"' "$(admin /metrics)"

# The name, the address, the step that failed.
sed -i 's/hosts: \[hello.test\]/hosts: [hello.test, nx.test]/' config/egress.yaml
wait_for has_said "generation=2"
expect "502 Bad Gateway: nx.test: the name does not exist (NXDOMAIN)" "$(host nx.test)"
expect "502 Bad Gateway: 127.0.0.1:1 (hello.test): the upstream refused the connection" "$(host hello.test:1)"
wait_for has_logged '"upstream":"127.0.0.1:1"'

# Whoever speaks the wrong protocol is told.
printf '\005\001\000' | curl --noproxy '*' -s -m 5 "telnet://$GATEWAY" >/dev/null || true
wait_for has_logged '"reason":"not_http"'

# A change that cannot be served is told everywhere, and what was served is served on.
echo "  ruls: []" >>config/egress.yaml
wait_for eval '[ "$(metric egret_config_current)" = 0 ]'
wait_for has_said "ruls"
expect " 200 " "$(host "hello.test:$UPSTREAM")"
expect ready "$(admin /readyz)"
allow_hello http
wait_for eval '[ "$(metric egret_config_current)" = 1 ]'

# The end: not ready first, then gone, and nothing was lost on the way.
kill "$egret"
wait_for eval '! is_ready'
expect_exit 0 wait "$egret"
egret=
has_said "not ready any more" || fail "the announcement is not told"
has_said "all requests have finished" || fail "the end is not told"
