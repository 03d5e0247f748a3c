#!/usr/bin/env bash
# Builds what a cluster on this machine is made of into $CLUSTER_DIR: Kubernetes, the sidecars and CoreDNS
# out of Go modules (bin), the snapshot controller's manifests (crd, snapshot-controller), programs out of
# Debian's packages (debian), images (images, sidecars). What is up to date is left alone: then it is done at once.
# The first time takes some minutes, most of them Kubernetes. Prints how long each part took.
#
# usage: cluster/build.sh

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=cluster/env.sh
. "$root/cluster/env.sh"

# Kubernetes names a Go that may be newer than the one here: go fetches it where it is allowed to.
export GOTOOLCHAIN=${GOTOOLCHAIN:-auto} GOFLAGS=-buildvcs=false GOWORK=off CGO_ENABLED=0

have go || die "Go is missing: scripts/setup.sh cluster says what to do"
mkdir -p "$B"
# Two builds at once would do everything twice and get in each other's way.
exec 9>"$CLUSTER_DIR/build.lock"
flock 9

# module PATH FIELD: what go says of a module of cluster/go.
module() { go -C cluster/go list -m -f "{{.$2}}" "$1"; }

# Changes when anything that the programs are built from does.
go_inputs() {
    { go version && sha256sum cluster/build.sh cluster/go/go.{mod,sum} cluster/go/*/*.go; } | sha256sum | cut -d ' ' -f 1
}

# go puts each program in its place whole, and leaves those that are up to date.
build_from_modules() {
    local version stamp=k8s.io/component-base/version
    version=$(module k8s.io/kubernetes Version)
    # go moves what it has built into place, which is one step only within a file system.
    rm -rf "$CLUSTER_DIR/go-tmp"
    mkdir "$CLUSTER_DIR/go-tmp"
    GOTMPDIR=$CLUSTER_DIR/go-tmp go -C cluster/go build -trimpath \
        -ldflags "-s -w -X $stamp.gitVersion=$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=$(cut -d . -f 2 <<<"$version")" \
        -o "$B/" ./... tool
    rm -rf "$CLUSTER_DIR/go-tmp"
    ln -sf hyperkube "$B/kubectl"
}

# replace DIRECTORY NAME: makes a copy of the directory the one in $CLUSTER_DIR.
replace() {
    rm -rf "${CLUSTER_DIR:?}/$2.new"
    cp -r --no-preserve=mode "$1" "$CLUSTER_DIR/$2.new"
    rm -rf "${CLUSTER_DIR:?}/$2"
    mv "$CLUSTER_DIR/$2.new" "$CLUSTER_DIR/$2"
}

copy_manifests() {
    local snapshotter=github.com/kubernetes-csi/external-snapshotter
    replace "$(module "$snapshotter/client/v8" Dir)/config/crd" crd
    rm -f "$CLUSTER_DIR/crd/kustomization.yaml" # the directory is applied file by file
    replace "$(module "$snapshotter/v8" Dir)/deploy/kubernetes/snapshot-controller" snapshot-controller
}

programs_and_manifests() {
    local inputs
    inputs=$(go_inputs)
    if [ "$(cat "$B/.built-from" 2>/dev/null)" = "$inputs" ] && [ -e "$CLUSTER_DIR/crd" ] && [ -e "$CLUSTER_DIR/snapshot-controller" ]; then
        return
    fi
    rm -f "$B/.built-from"
    build_from_modules
    copy_manifests
    printf '%s\n' "$inputs" >"$B/.built-from"
}

# part NAME COMMAND...
part() {
    local name=$1 began=$EPOCHREALTIME
    shift
    "$@"
    awk -v name="$name" -v began="$began" -v ended="$EPOCHREALTIME" \
        'BEGIN { printf "cluster: %-32s %7.1f s\n", name, ended - began }'
}

part "programs of Debian" cluster/debian.sh
part "Kubernetes, sidecars, CoreDNS" programs_and_manifests
part "images" cluster/images.sh
part "sidecars' images" cluster/sidecars.sh
