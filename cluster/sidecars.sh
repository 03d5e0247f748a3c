#!/usr/bin/env bash
# Makes the images of the sidecars that the shipped manifests name, under those very names, out of the programs that
# build.sh has built, so that nothing has to be pulled. They go to $CLUSTER_DIR/sidecars; one that is there and is
# newer than its program is left alone.
#
# usage: cluster/sidecars.sh

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=cluster/env.sh
. "$root/cluster/env.sh"
# shellcheck source=image/collect.sh
. "$root/image/collect.sh"

mkdir -p "$CLUSTER_DIR/sidecars"
exec 9>"$CLUSTER_DIR/sidecars/.lock"
flock 9
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The program in $CLUSTER_DIR/bin that an image is made of.
program_of() {
    local name=${1##*/}
    name=${name%%:*}
    if [ "$name" = csi-node-driver-registrar ]; then name=registrar; fi
    echo "$name"
}

made=()
while read -r image; do
    program=$(program_of "$image")
    [ -x "$B/$program" ] || die "the manifests name the image $image, and there is no $B/$program"
    archive=$CLUSTER_DIR/sidecars/${image//[\/:]/_}.tar
    made+=("$archive")
    if [ ! "$archive" -nt "$B/$program" ]; then
        new_root "$work/$program"
        add_program "$work/$program" "$B/$program" "/$program"
        image/pack.sh "$work/$program" "$archive" "$image" --entrypoint "[\"/$program\"]"
    fi
done < <(grep -rhoE '^ *(- )?image: *[^ ]+' deploy/kubernetes "$CLUSTER_DIR/snapshot-controller" \
    | awk '{ print $NF }' | grep -vE '(^|/)ebs-csi:' | sort -u)

# Those of versions that the manifests no longer name.
for archive in "$CLUSTER_DIR"/sidecars/*.tar; do
    [[ " ${made[*]} " == *" $archive "* ]] || rm "$archive"
done
