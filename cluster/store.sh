# shellcheck shell=bash
# Sourced by up.sh and driver.sh: all images unpacked once, in the form that containerd keeps them in, so that a node has them when
# it starts. Images do not change, so the nodes share the files by hard links.

# archive_id ARCHIVE: the image's name and the digest of what is in it.
archive_id() {
    tar --extract --to-stdout --file "$1" index.json \
        | jq -r '.manifests[0] | .annotations["io.containerd.image.name"] + " " + .digest'
}

# Gives each node containerd's directory with all images in it.
store_use() {
    local store=$CLUSTER_DIR/store n
    exec 8>"$store.lock" # other clusters may share the store
    flock 8
    store_make "$store"
    for ((n = 1; n <= NODES; n++)); do
        mkdir -p "$R/n$n"
        # Another file system takes no links; copies do as well.
        if ! cp -al "$store/containerd" "$R/n$n/containerd" 2>/dev/null; then
            rm -rf "$R/n$n/containerd"
            cp -a "$store/containerd" "$R/n$n/containerd"
        fi
        # What containerd writes to is each node's own.
        find "$R/n$n/containerd" -name '*.db' -links +1 -exec cp {} {}.own \; -exec mv {}.own {} \;
    done
    exec 8>&-
}

# store_make STORE: anew if images were built since.
store_make() {
    local key archive archives=("$CLUSTER_DIR"/images/*.tar)
    if compgen -G "$CLUSTER_DIR/sidecars/*.tar" >/dev/null; then archives+=("$CLUSTER_DIR"/sidecars/*.tar); fi
    key=$(for archive in "${archives[@]}"; do archive_id "$archive"; done)
    [ "$(cat "$1/key" 2>/dev/null)" != "$key" ] || return 0
    say "cluster: unpacking ${#archives[@]} images, once"
    rm -rf "$1" "$1.new"
    mkdir -p "$1.new"
    # All of it ends when its process 1 does, and that when this script is killed.
    (use_debian && exec setpriv --pdeathsig KILL \
        unshare --mount --propagation slave --pid --fork --kill-child --mount-proc \
        bash -c "$(declare -f store_unpack); store_unpack \"\$@\"" store "$1.new" "${archives[@]}") \
        </dev/null >"$R/logs/store.log" 2>&1 9>&- \
        || die "the images cannot be unpacked: $(tail -n 5 "$R/logs/store.log")"
    printf '%s\n' "$key" >"$1.new/key"
    mv "$1.new" "$1"
}

# store_unpack STORE ARCHIVE...: in namespaces of its own.
store_unpack() {
    set -euo pipefail
    local store=$1 archive
    shift
    mount -t tmpfs run /run
    containerd --root "$store/containerd" --state /run/containerd --address /run/containerd/containerd.sock &
    until ctr version >/dev/null 2>&1; do
        kill -0 $! || return 1
        sleep 0.05
    done
    for archive in "$@"; do ctr -n k8s.io images import "$archive"; done
    kill $!
    wait $! || true
}
