#!/usr/bin/env bash
# Runs every check and test there is, shows what each prints, and ends with what they add up to:
#
#     N passed, N failed, N skipped
#
# A failed step does not keep the others from running. The counts are the runners' own; a step that
# is one check counts as one test, and a step that fails without saying how often counts as one
# failure. Tests that cannot run here (no root, a missing program) print `skipped: REASON`.

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0
summary=()

# sum FILE PATTERN: adds up the numbers that PATTERN (an extended regular expression) ends in.
sum() { { grep -oE "$2" "$1" || true; } | grep -oE '[0-9]+' | awk '{ n += $1 } END { print n + 0 }'; }

# Each counter reads a step's output and sets p, f and s.
count_cargo() {
    p=$(sum "$1" '^test result: .* [0-9]+ passed')
    f=$(sum "$1" '[0-9]+ failed;')
    s=$(sum "$1" '[0-9]+ ignored;')
    local said
    said=$(grep -c '^skipped: ' "$1" || true)
    p=$((p - said)) s=$((s + said))
}
count_counts() { # a last line in this script's own form
    local line
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$1" | tail -n 1) || line=
    read -r p _ f _ s _ <<<"${line:-0 passed, 0 failed, 0 skipped}"
}
count_one() { p=1 f=0 s=0; }

# step NAME COUNTER COMMAND...: fails if the command does.
step() {
    local name=$1 counter=$2 began=$SECONDS status=0 p f s
    shift 2
    printf '\n=== %s\n' "$name"
    "$@" 2>&1 | tee "$work/log" || status=$?
    "count_$counter" "$work/log"
    if [ "$status" -ne 0 ]; then
        [ "$counter" = one ] && p=0
        [ "$f" -gt 0 ] || f=1
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    summary+=("$(printf '%-12s %5d passed %3d failed %3d skipped %5d s' \
        "$name" "$p" "$f" "$s" $((SECONDS - began)))")
    return "$status"
}

# --show-output also prints what passing tests said, which is how a skipped one gives its reason;
# the list of names that comes with it is left out.
cargo_tests() {
    [ ! -x "$moto_server" ] || export EBS_CSI_MOTO=$moto_server
    cargo test --workspace --locked --no-fail-fast -- --show-output 2>&1 | awk '
        /^successes:$/ { listing = 1; next }
        /^(failures:|test result:)/ { listing = 0 }
        listing && /^    [A-Za-z0-9_:]+( - .*)?$/ { next }
        { print; fflush() }'
}

scripts() {
    have shellcheck || { say "skipped: there is no shellcheck"; return; }
    git ls-files '*.sh' | xargs shellcheck --external-sources
}

step format one cargo fmt --all --check || true
step scripts one scripts || true
step dependencies one "$cargo_deny" --workspace --locked check bans licenses sources || true
step clippy one cargo clippy --workspace --all-targets --test e2e --test leftovers --test nvme --locked -- -D warnings || true
step tests cargo cargo_tests || true
# What follows runs the programs: without a build there may still be those of an earlier one.
if step build one build_programs; then
    step sanity counts scripts/sanity.sh || true
    step aws-cli counts scripts/aws-cli.sh || true
    step demo one "$bin/ebs-lab" demo || true
    step image counts image/check.sh || true
    step nvme counts scripts/nvme.sh || true
    step chart counts scripts/chart.sh check || true
    step e2e counts scripts/e2e.sh || true
else
    failed=$((failed + 7))
    summary+=("sanity, aws-cli, demo, image, nvme, chart and e2e were not run: there is nothing to run")
fi

printf '\n'
printf '%s\n' "${summary[@]}"
printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
