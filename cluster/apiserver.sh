#!/usr/bin/env bash
# Kills the API server of the cluster that is up and waits until the one that init-control.sh starts in its place is ready.
#
# usage: cluster/apiserver.sh restart

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=cluster/env.sh
. "$root/cluster/env.sh"

[ "$(id -u)" -eq 0 ] || die "not root: the cluster is root's"
[ "${1:-}" = restart ] || die "usage: cluster/apiserver.sh restart"
in_node 0 pkill -KILL -f '/hyperkube kube-apiserver ' || die "no API server runs"
deadline=$((SECONDS + 120))
until [ "$(kubectl get --raw /readyz 2>/dev/null)" = ok ]; do
    [ "$SECONDS" -lt "$deadline" ] || die "the API server does not come back: $(tail -n 3 "$R/logs/kube-apiserver.log")"
    sleep 0.1
done
