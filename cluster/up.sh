#!/usr/bin/env bash
# Starts a fresh cluster on this machine: an emulated AWS, a control plane and nodes, each a process tree in
# namespaces of its own. One that was there is ended first. With --check it starts nothing and says whether a
# cluster can run here: exit status 3 and the reason if it cannot.
#
# usage: cluster/up.sh [--check]

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
cluster_anew=yes
# shellcheck source=cluster/env.sh
. "$root/cluster/env.sh"
for part in check cgroups processes network pki store nodes; do
    # shellcheck source=/dev/null
    . "$root/cluster/$part.sh"
done

check_machine
[ "${1:-}" != --check ] || exit 0
check_built

began=$(date +%s%N)
progress() { printf '%6.1f s  %s\n' "$((($(date +%s%N) - began) / 100000000))e-1" "$*"; }

# until_ready SECONDS PROGRAM... Programs that wait are not given the lock (9): they may outlive a killed up.sh.
until_ready() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1 9>&-; do
        [ "$SECONDS" -lt "$deadline" ] || die "gave up waiting for: $*"
        sleep 0.1
    done
}

start_all() {
    local n
    mkdir -p "$R/logs"
    # emulator.sh may be called with another target directory in its environment.
    # shellcheck disable=SC2034 # by its name, below
    CLUSTER_LAB=$bin/ebs-lab
    for name in "${cluster_settings[@]}" CLUSTER_LAB; do printf '%s=%q\n' "$name" "${!name}"; done >"$R/settings"
    store_use
    network_make
    "$root/cluster/emulator.sh" start
    loader_cache
    for ((n = 1; n <= NODES; n++)); do node_files "$n"; done
    pki_make
    tree 0 init-control.sh
    network_imds 1 "$(instance 1 imds_url)"
    cgroup2_delegate "$R/cgroup.delegated"
    for ((n = 1; n <= NODES; n++)); do
        cgroup_make "$BR-$n"
        tree "$n" init-node.sh
    done
    describe_cluster
    progress "started; waiting for the API server"
}

wait_for_all() {
    local n
    until_ready 120 kubectl get --raw /readyz
    progress "API server ready"
    kubectl apply -f "$root/cluster/manifests/coredns.yaml" >/dev/null
    for ((n = 1; n <= NODES; n++)); do until_ready 120 kubectl get node "node-$n"; done
    kubectl wait --for=condition=Ready node --all --timeout=120s >/dev/null 9>&-
    until_ready 60 kubectl -n default get serviceaccount default
    progress "nodes ready"
    kubectl -n kube-system rollout status deployment/coredns --timeout=60s >/dev/null 9>&-
    progress "names are resolved"
}

# A start that fails ends what it began; only the logs stay.
gave_up() {
    local status=$?
    trap - EXIT
    [ "$status" -eq 130 ] || {
        tail --lines=3 "$R"/logs/init-*.log
        kubectl --request-timeout=3s get nodes,pods --all-namespaces
        kubectl --request-timeout=3s get events --all-namespaces --field-selector type=Warning
    } >&2 2>/dev/null || true
    say "cluster: not started; the logs are in $R.logs" >&2
    cluster_anew='' "$root/cluster/down.sh" || true
    exit "$status"
}

exec 9>"$R.lock"
flock --wait 60 9 || die "another up.sh or down.sh works on this cluster"
"$root/cluster/down.sh"
trap gave_up EXIT
trap 'exit 130' INT TERM
start_all
wait_for_all
trap - EXIT
say "export KUBECONFIG=$KUBECONFIG PATH=$B:\$PATH"
