#!/usr/bin/env bash
# Starts a Kubernetes cluster with the driver on the emulated EC2, plays the users' scenarios of
# tests/e2e on it and ends it, whatever happened. Arguments choose tests as for `cargo test`. Fails if
# anything stays behind. Ends with `N passed, N failed, N skipped`.

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

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
say "e2e took $((SECONDS - began)) s"
say "$p passed, $f failed, $s skipped"
[ "$f" -eq 0 ]
