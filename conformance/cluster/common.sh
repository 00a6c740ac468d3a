# Sourced by the scripts beside it: where things are, and what they share.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${EGRET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/egret}/cluster
# One cluster at a time, unless another folder is named.
state=${EGRET_CLUSTER_DIR:-$cache/run}

# The module's own Go version; the go command fetches it if the machine's is another one.
GOTOOLCHAIN=go$(awk '$1 == "toolchain" {print substr($2, 3)}' "$here/go.mod")
export GOTOOLCHAIN CGO_ENABLED=0 GOFLAGS="-buildvcs=false -trimpath"

die() { echo "${0##*/}: $*" >&2; exit 1; }
say() { echo "== $*"; }

# The first process of the running cluster, whose network is the cluster's.
control() { [ -s "$state/control.pid" ] && cat "$state/control.pid"; }
running() { local pid; pid=$(control) && [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$state" ]; }
# in_cluster COMMAND...: runs a command where it reaches the cluster, with kubectl in its PATH and no proxy of the machine's.
in_cluster() {
  entrance
  "${entrance[@]}" "$@"
}
# entrance: sets the words that a command begins with to run in the cluster; by themselves for one in the background, whose
# process is then the command's own.
entrance() {
  entrance=(nsenter --target "$(control)" --net -- env -u http_proxy -u https_proxy -u HTTP_PROXY -u HTTPS_PROXY
    KUBECONFIG="$state/kubeconfig" KUBECACHEDIR="$state/kubectl-cache" PATH="$state/bin:$PATH")
}
# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ $SECONDS -lt $until ] || die "waited too long for $what"
    sleep 0.2
  done
}

# pid_of POD: the process of a pod's container, by the name that the kernel gives to its host.
pid_of() {
  local p
  for p in $(pgrep -f '^/egret '); do
    [ "$(nsenter --target "$p" --uts hostname)" = "$1" ] && echo "$p" && return
  done
  die "no process is pod $1"
}
# holder: the controller that leads.
holder() { in_cluster kubectl -n egret-system get lease egret-controller -o jsonpath='{.spec.holderIdentity}'; }
