#!/usr/bin/env bash
# Builds the driver as it is shipped and prints what it costs on this machine beside what the Go driver
# costs: first a single call's figures (`ebs-lab bench`), then those of many volumes (`ebs-lab load`), about
# six minutes in all. Files with the figures and the latencies' distributions are kept in the cache.
#
# usage: scripts/bench.sh [--full] [ARGUMENT of `ebs-lab bench`]...
#   --full   the throttled profile with 1000 volumes: 13 minutes more

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

throttled=()
if [ "${1:-}" = --full ]; then
    shift
    throttled=(--volumes 1000)
fi

build_shipped
# The caller's own time counts too, where calls take a tenth of a millisecond.
cargo build --release --locked --package lab
lab=$CARGO_TARGET_DIR/release/ebs-lab

"$lab" bench --driver "$shipped" "$@"

kept=$cache/bench
mkdir -p "$kept"
for profile in rate burst alone latency throttled; do
    more=()
    [ "$profile" != throttled ] || more=("${throttled[@]}")
    printf '\n--- %s\n\n' "$profile"
    "$lab" load --driver "$shipped" --profile "$profile" --name "$profile" \
        --json "$kept/$profile.json" --plot "$kept/$profile.html" "${more[@]}"
done
say "figures and plots: $kept"
