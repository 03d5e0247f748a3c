#!/usr/bin/env bash
# Installs the driver in the cluster that is up, as its users do: the shipped manifests, with the image that
# image/build.sh has made, pointed at the emulated EC2.
#
# usage: cluster/driver.sh        (CLUSTER_DRIVER_IMAGE: another OCI archive for the driver)

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=cluster/env.sh
. "$root/cluster/env.sh"
# shellcheck source=cluster/store.sh
. "$root/cluster/store.sh"

[ "$(id -u)" -eq 0 ] || die "not root: the cluster is root's"
trap 'exit 130' INT TERM
[ -e "$R/cluster.json" ] || die "no cluster is up: start one with cluster/up.sh"
driver_image=${CLUSTER_DRIVER_IMAGE:-$cache/image/ebs-csi.tar}
[ -e "$driver_image" ] || die "$driver_image is missing: image/build.sh makes it"
overlay=$root/cluster/manifests/driver

# import N ARCHIVE...: those that the node does not have.
import() {
    local n=$1 archive there
    shift
    there=$(in_node "$n" ctr -n k8s.io images list | awk '{ print $1, $3 }')
    for archive in "$@"; do
        grep -qxF "$(archive_id "$archive")" <<<"$there" \
            || in_node "$n" ctr -n k8s.io images import "$archive" >/dev/null || return 1
    done
}

import_all() {
    local n pid imports=()
    for ((n = 1; n <= NODES; n++)); do
        import "$n" "$driver_image" "$CLUSTER_DIR"/sidecars/*.tar &
        imports+=($!)
    done
    for pid in "${imports[@]}"; do wait "$pid" || die "images could not be imported"; done
}

# put KIND...: makes an object of kube-system, or changes the one there is.
put() { kubectl -n kube-system create "$@" --dry-run=client -o yaml | kubectl apply -f - >/dev/null; }

"$root/cluster/sidecars.sh"
import_all
kubectl apply -f "$CLUSTER_DIR/crd" >/dev/null
# Groups are off without the gate; and nobody here has time to look for half a minute whether a ready pod stays so.
kubectl kustomize "$CLUSTER_DIR/snapshot-controller" \
    | sed -E -e '/minReadySeconds:/d' -e 's/^( *)- --leader-election=true$/&\n\1- --feature-gates=CSIVolumeGroupSnapshot=true/' \
    | kubectl apply -f - >/dev/null
put configmap aws-meta --from-literal=endpoint="$(jq -r .ec2_url "$R/cluster.json")"
put secret generic aws-secret --from-literal=key_id=emulated --from-literal=access_key=emulated
kubectl apply -k "$overlay" >/dev/null
for what in daemonset/ebs-csi-node deployment/ebs-csi-controller deployment/snapshot-controller; do
    if ! kubectl -n kube-system rollout status "$what" --timeout=180s; then
        kubectl -n kube-system get pods -o wide >&2
        kubectl -n kube-system get events --field-selector type=Warning >&2
        kubectl -n kube-system logs "$what" --all-containers --tail=20 >&2
        die "$what did not become ready"
    fi
done
