#!/usr/bin/env bash
# Gives the driver's controller in the cluster that is up other values of the chart, as `helm upgrade` does, and waits until it runs
# with them. Without arguments: the values that driver.sh has installed it with.
#
# usage: cluster/controller.sh [--set NAME=VALUE]...

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=cluster/env.sh
. "$root/cluster/env.sh"

scripts/chart.sh template --set sidecars.snapshotter.forceEnable=true "$@" \
    --show-only templates/controller-deployment.yaml --show-only templates/controller-rbac.yaml \
    | kubectl apply -f - >/dev/null
kubectl -n kube-system rollout status deployment/ebs-csi-controller --timeout=180s
