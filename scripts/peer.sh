#!/usr/bin/env bash
# Measures another driver's controller and this one in the same run, with the same load, against emulators
# with the same settings, and prints their figures beside each other.
#
# usage: scripts/peer.sh PROGRAM [ARGUMENT]...
#   PROGRAM    a CSI controller that is told its socket by --endpoint=unix:///PATH and finds EC2 by
#              AWS_EC2_ENDPOINT or AWS_ENDPOINT_URL_EC2, as the Go driver does
#   ARGUMENT   what it is started with [default: controller --batching=true, as the Go driver's chart does]
#
# PROFILES names the profiles [default: rate burst alone latency throttled], LOAD more flags of
# `ebs-lab load`, and PROGRAMS the directory of ebs-lab and ebs-csi [default: built for release].

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

peer=${1:?usage: scripts/peer.sh PROGRAM [ARGUMENT]...}
shift
[ -x "$peer" ] || die "$peer is not a program. docs/PERFORMANCE.md says how to build the Go driver."
[ $# -gt 0 ] || set -- controller --batching=true
read -ra profiles <<<"${PROFILES:-rate burst alone latency throttled}"
read -ra load <<<"${LOAD:-}"

if [ -n "${PROGRAMS:-}" ]; then
    lab=$PROGRAMS/ebs-lab
    shipped=$PROGRAMS/ebs-csi
else
    build_shipped
    cargo build --release --locked --package lab
    lab=$CARGO_TARGET_DIR/release/ebs-lab
fi

work=$(mktemp -d)
emulator='' controller=''
cleanup() {
    [ -z "$controller" ] || stop "$controller"
    [ -z "$emulator" ] || stop "$emulator"
    controller='' emulator=''
}
trap 'cleanup; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# As `ebs-lab load` starts its own.
start_peer() {
    "$lab" emulate --zones 1 --instances 40 --instance-type c7i.48xlarge --log-level warn \
        --ready-file "$work/ready" >"$work/emulator.log" 2>&1 &
    emulator=$!
    wait_for 30 "$emulator" test -s "$work/ready" || die "$(cat "$work/emulator.log")"
    local ec2
    ec2=$(said ec2_url)
    rm -f "$work/csi.sock"
    env AWS_REGION=eu-central-1 AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x AWS_EC2_METADATA_DISABLED=true \
        NO_PROXY=127.0.0.1 AWS_EC2_ENDPOINT="$ec2" AWS_ENDPOINT_URL_EC2="$ec2" \
        "$peer" "$@" --endpoint="unix://$work/csi.sock" >"$work/peer.log" 2>&1 &
    controller=$!
    wait_for 30 "$controller" test -S "$work/csi.sock" || die "$(tail -n 20 "$work/peer.log")"
}

# said NAME: an address that the emulator said.
said() { sed -E "s/.*\"$1\":\"([^\"]*)\".*/\1/" "$work/ready"; }

for profile in "${profiles[@]}"; do
    printf '\n--- %s\n\n' "$profile"
    start_peer "$@"
    "$lab" load --endpoint "unix://$work/csi.sock" --control "$(said control_url)" \
        --pid "$controller" --emulator-pid "$emulator" --profile "$profile" \
        --name "$(basename "$peer")" --json "$work/$profile.json" "${load[@]}" >"$work/load.log" \
        || say "$(basename "$peer"), $profile: $(cat "$work/load.log")"
    cleanup
    "$lab" load --driver "$shipped" --profile "$profile" --name ours --beside "$work/$profile.json" "${load[@]}"
done
