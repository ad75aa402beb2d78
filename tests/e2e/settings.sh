# Sourced by the scripts beside this file. Each value can be set from outside.
# shellcheck shell=bash disable=SC2034

kubernetes_version=v1.36.3
etcd_version=v3.6.8 # the one that Kubernetes 1.36 comes with
coredns_version=v1.15.0

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# Programs that were built are kept here, as NAME-VERSION.
cache=${CALLSIGN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/callsign}

# The control plane: its state, and the ports that it takes on 127.0.0.1.
run=${E2E_RUN:-$root/target/e2e}
api_port=${E2E_API_PORT:-17443}
etcd_port=${E2E_ETCD_PORT:-17379}
etcd_peer_port=${E2E_ETCD_PEER_PORT:-17380}
api=https://127.0.0.1:$api_port
service_cidr=10.96.0.0/12,fd00:10:96::/112

# program NAME: the file to run. KUBEBUILDER_ASSETS goes first, as with envtest; it may lack some.
program() {
    local version=$kubernetes_version
    case $1 in
        etcd) version=$etcd_version ;;
        coredns) version=$coredns_version ;;
    esac
    if [ "$1" = coredns ] && [ -n "${COREDNS:-}" ]; then
        echo "$COREDNS"
    elif [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ -x "$KUBEBUILDER_ASSETS/$1" ]; then
        echo "$KUBEBUILDER_ASSETS/$1"
    else
        echo "$cache/$1-$version"
    fi
}

# pid_of NAME: the process of this name that was started here, if it runs: a number that the kernel
# has given to another program meanwhile is none.
pid_of() {
    local pid
    pid=$(cat "$run/pid/$1" 2> /dev/null) || return 1
    [ "$(readlink "/proc/$pid/exe")" = "$(readlink -f "$(program "$1")")" ] || return 1
    echo "$pid"
}
