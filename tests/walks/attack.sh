# An attacker behind the gateway, a careless edit, and a web page on the operator's machine: nothing opens.
. "$WALKS/lib.sh"

denied() {
  local told
  told=$("$@")
  case $told in
    *" 400 "* | *" 403 "* | *" 502 "*) ;;
    *) fail "$*: $told" ;;
  esac
}

resolver
serve
wait_for is_ready

# Addresses that are not public, by every spelling and through every form.
for name in 127.0.0.1 localhost 169.254.169.254 10.0.0.1 '[::1]' '[::ffff:127.0.0.1]' '[64:ff9b::7f00:1]' 2130706433 \
  0x7f.1 127.1 0177.0.0.1 rebound.test hello.test; do
  denied host "$name:$UPSTREAM"
  denied absolute "$name:$UPSTREAM"
done
denied tunnel "127.0.0.1:$UPSTREAM"
denied tunnel "rebound.test:$UPSTREAM"

# The gateway's own ports, even where a policy opens all of loopback.
allow_hello http
sed -i 's/defaultAction: Deny/defaultAction: Allow/' config/egress.yaml
wait_for has_said "generation=2"
expect " 200 " "$(host "127.0.0.1:$UPSTREAM")"
denied host "$ADMIN"
denied tunnel "$ADMIN"
denied host "$GATEWAY"

# An edit that would take the protection away changes nothing.
allow_hello http
wait_for has_said "generation=3"
denied host "other.test:$UPSTREAM"
allow_hello htpp
wait_for has_said "htpp"
denied host "other.test:$UPSTREAM"
[ "$(metric egret_config_current)" = 0 ] || fail "the refused change is not told in the metrics"
allow_hello http
wait_for has_said "generation=4"

# A page of another site, and one that has the gateway's address by a name of its own.
expect 403 "$(admin /dns/flush -X POST -H 'origin: http://page.test' -o /dev/null -w '%{http_code}')"
expect 403 "$(admin /dns/flush -X POST -H 'sec-fetch-site: cross-site' -o /dev/null -w '%{http_code}')"
expect 403 "$(admin /report -H 'host: page.test' -o /dev/null -w '%{http_code}')"
finish

# Who never wants to be open is not, whatever becomes of the files.
serve --require-egress-policy
wait_for is_ready
expect " 200 " "$(host "hello.test:$UPSTREAM")"
mv config/egress.yaml config/egress.yaml.bak
wait_for has_said "egress.yaml.bak"
wait_for eval '! is_ready'
case $(host "hello.test:$UPSTREAM") in
  *" 200 "*) fail "open without an EgressPolicy" ;;
esac
finish

# At the start, a policy that is bound to nothing closes what it may have meant.
allow_hello htpp
rm config/egress.yaml.bak
serve
case $(host "hello.test:$UPSTREAM") in
  *" 200 "*) fail "open although the policy is bound to nothing" ;;
esac
finish
