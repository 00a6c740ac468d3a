# What the walks share. A walk runs in an empty folder with a configuration in config/, and stops at the first surprise.
set -Eeuo pipefail

egret=
stop() { [ -z "$egret" ] || { kill "$egret" 2>/dev/null || true; wait "$egret" || true; }; }
trap stop EXIT
trap 'echo "walk: stopped in line $LINENO of $0: $BASH_COMMAND" >&2' ERR

fail() {
  echo "walk: $*" >&2
  tail -n 30 stderr.txt access.txt >&2 2>/dev/null || true
  exit 1
}

# Waits until a command succeeds.
wait_for() {
  local tries=0
  until "$@"; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || fail "in vain: $*"
    sleep 0.05
  done
}

# What is expected is a part of the text.
expect() {
  case $2 in
    *"$1"*) ;;
    *) fail "expected '$1' in: $2" ;;
  esac
}

expect_exit() {
  local expected=$1 code=0
  shift
  "$@" || code=$?
  [ "$code" = "$expected" ] || fail "exit code $code and not $expected: $*"
}

admin() { curl --noproxy '*' -sS "http://$ADMIN$1" "${@:2}"; }
is_ready() { [ "$(admin /readyz 2>/dev/null)" = ready ]; }
metric() { admin /metrics | sed -n "s/^$1 //p"; }
has_said() { grep -qF -- "$1" stderr.txt; }
has_logged() { grep -qF -- "$1" access.txt; }

# Serves config/, and waits until it does.
serve() {
  # Before the process begins, which is later than the next line: what another one has said does not count.
  : >stderr.txt
  "$EGRET" serve config --admin "$ADMIN" --workers 2 "$@" >access.txt 2>stderr.txt &
  egret=$!
  wait_for has_said "admin server on"
}

# Stops the process, which must say that all is well.
finish() {
  kill "$egret"
  expect_exit 0 wait "$egret"
  egret=
}

# The status line of the answer to a request of curl with these arguments. That curl fails is an answer too.
status_line() { { curl -sS -o body.txt -D - "$@" 2>&1 || true; } | sed -n 1p; }
# A request for a host by the Host field; by a proxy setting; and through a tunnel.
host() { status_line --noproxy '*' "http://$GATEWAY${2:-/}" -H "host: $1"; }
absolute() { status_line --noproxy '' -x "http://$GATEWAY" "http://$1${2:-/}"; }
tunnel() { status_line --noproxy '' -p -x "http://$GATEWAY" "http://$1${2:-/}"; }

resolver() {
  cat >config/resolver.yaml <<END
apiVersion: egret.dev/v1alpha1
kind: ResolverPolicy
metadata: {name: servers, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  servers: [{address: "$DNS"}]
END
}

# An EgressPolicy that allows hello.test alone, and the loopback addresses that it has here. $1 is the Gateway.
allow_hello() {
  cat >next.yaml <<END
apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {name: partners, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: $1}]
  defaultAction: Deny
  rules:
  - {name: hello, action: Allow, hosts: [hello.test]}
  - {name: no-mail, action: Deny, hosts: [mail.test]}
  addresses: {allow: [127.0.0.0/8]}
END
  mv next.yaml config/egress.yaml
}
