#!/usr/bin/env bash
# Starts a Kubernetes cluster with the driver on the emulated EC2, plays the users' scenarios of
# tests/e2e on it and ends it, whatever happened. Fails if anything stays behind. Ends with how long each scenario took, and
# `N passed, N failed, N skipped`.
#
# usage: scripts/e2e.sh [--full] [ARGUMENT...]
#
# --full also plays those that take long or measure, which are marked `#[ignore = "make e2e-full"]`, on nodes that take a hundred
# volumes together. Arguments choose tests as for `cargo test`.

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [ "${1:-}" = --full ]; then
    shift
    set -- --include-ignored "$@"
    export CLUSTER_INSTANCE_TYPE=${CLUSTER_INSTANCE_TYPE:-m7i.16xlarge}
fi

if ! reason=$(cluster/up.sh --check 2>&1); then
    say "skipped: no cluster can run here: $reason"
    say "0 passed, 0 failed, 1 skipped"
    exit 0
fi

work=$(mktemp -d)
clean_up() {
    cluster/down.sh || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

began=$SECONDS
scripts/cluster.sh
# shellcheck source=cluster/env.sh
. cluster/env.sh

# sum PATTERN: adds up the numbers that PATTERN begins with in the closing lines of the two programs.
sum() { { grep -E '^test result: ' "$work/log" || true; } | { grep -oE "[0-9]+ $1" || true; } | awk '{ n += $1 } END { print n + 0 }'; }

status=0
# The look for leftovers is a program of its own, which runs last.
EBS_CSI_CLUSTER=$R/cluster.json cargo test --workspace --locked --no-fail-fast --test e2e --test leftovers -- \
    --nocapture --test-threads 4 "$@" 2>&1 | tee "$work/log" || status=$?
p=$(sum passed) f=$(sum failed) s=$(sum '(ignored|filtered out)')
[ "$status" -eq 0 ] || [ "$f" -gt 0 ] || f=1

if ! cluster/down.sh; then
    say "the cluster left something behind"
    f=$((f + 1))
fi
say "seconds that each scenario took, by its own clock"
grep -E ' s  over, and nothing is left of it$' "$work/log" | awk '{ printf "%-24s %6.1f\n", $1, $2 }' | sort -k 2 -rn || true
say "e2e took $((SECONDS - began)) s"
say "$p passed, $f failed, $s skipped"
[ "$f" -eq 0 ]
