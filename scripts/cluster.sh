#!/usr/bin/env bash
# Builds a Kubernetes cluster with the driver in it and starts it on this machine, on the emulated EC2.
# It stays until `cluster/down.sh` (or `make cluster-down`). Prints how long each part took.

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# part NAME COMMAND...
part() {
    local name=$1 began=$SECONDS
    shift
    say "--- $name"
    "$@"
    parts+=("$(printf '%-24s %5d s' "$name" $((SECONDS - began)))")
}

# Before minutes are spent on building.
if ! reason=$(cluster/up.sh --check); then die "no cluster can run here: $reason"; fi

parts=()
part "programs" build_programs
part "image" image/build.sh
part "Kubernetes and sidecars" cluster/build.sh
part "cluster" cluster/up.sh
part "driver" cluster/driver.sh
printf '%s\n' "${parts[@]}"
