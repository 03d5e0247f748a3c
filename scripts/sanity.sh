#!/usr/bin/env bash
# Runs csi-sanity against `ebs-csi all` and the emulator, once for file systems and once for raw
# block devices, on real loop devices. Fails if a spec fails, if fewer ran than tests/sanity/expected
# says, or if something is left behind. Ends with `N passed, N failed, N skipped`.

# shellcheck source=scripts/emulator.sh
. "$(dirname "${BASH_SOURCE[0]}")/emulator.sh"

if [ "$(id -u)" -ne 0 ]; then
    say "skipped: csi-sanity mounts real devices, which takes root"
    say "0 passed, 0 failed, 1 skipped"
    exit 0
fi

work=$(mktemp -d)
driver_pid=''
clean_up() {
    [ -z "$driver_pid" ] || stop "$driver_pid"
    stop_emulator || true
    rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

start_driver() {
    "$bin/ebs-csi" all --endpoint "unix://$1/csi.sock" \
        --consistency-window 500ms --device-timeout 10s --log-level debug \
        --imds-endpoint "$(ready '.instances[0].imds_url')" \
        --dev-dir "$(ready '.instances[0].dev_dir')" \
        --sys-dir "$(ready '.instances[0].sys_dir')" >"$1/driver.log" 2>&1 &
    driver_pid=$!
    if ! wait_for 30 "$driver_pid" test -S "$1/csi.sock"; then
        cat "$1/driver.log"
        die "the driver did not become ready"
    fi
}

# tally FILE NAME: how many specs the report counts as NAME.
tally() { sed -E 's/\x1b\[[0-9;]*m//g' "$1" | { grep -oE "[0-9]+ $2" || echo 0; } | tail -n 1 | grep -oE '[0-9]+'; }

expected() { awk -v access="$1" '$1 == access { print $2 }' tests/sanity/expected; }

passed=0 failed=0 skipped=0
for access in mount block; do
    say "--- csi-sanity, $access"
    dir=$work/$access
    mkdir "$dir"
    # Its specs ask what calls do, not how many a second there may be.
    start_emulator "$dir" --zones 1 --instances 2 --backing loop --buckets none
    start_driver "$dir"

    status=0
    "$csi_sanity" --ginkgo.no-color --csi.endpoint "$dir/csi.sock" \
        --csi.mountdir "$dir/mount" --csi.stagingdir "$dir/staging" \
        --csi.testvolumeaccesstype "$access" --csi.testvolumesize $((1 << 30)) \
        --csi.testvolumemutableparameters tests/sanity/attributes.yaml \
        --csi.testnodevolumeattachlimit \
        --ginkgo.junit-report "$dir/junit.xml" 2>&1 | tee "$dir/sanity.log" || status=$?
    p=$(tally "$dir/sanity.log" Passed) f=$(tally "$dir/sanity.log" Failed)
    s=$(tally "$dir/sanity.log" Skipped)
    [ "$status" -eq 0 ] || [ "$f" -gt 0 ] || f=1
    if [ $((p + f)) -lt "$(expected "$access")" ]; then
        say "only $((p + f)) specs ran, tests/sanity/expected says $(expected "$access")"
        f=$((f + 1))
    fi
    if [ "$f" -gt 0 ]; then
        say "--- the driver's log"
        tail -n 200 "$dir/driver.log"
    fi
    stop "$driver_pid"
    driver_pid=
    stop_emulator || f=$((f + 1))
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done

say "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
