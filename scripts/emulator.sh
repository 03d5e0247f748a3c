# shellcheck shell=bash
# Sourced by the scripts that need an emulated AWS: start_emulator and stop_emulator.

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# start_emulator DIRECTORY OPTION...: serves EC2 with its state below DIRECTORY, waits until it is
# ready, and points this shell's programs at it.
start_emulator() {
    emulator_dir=$1
    shift
    "$bin/ebs-lab" emulate --region eu-central-1 --data "$emulator_dir/data" \
        --ready-file "$emulator_dir/ready" "$@" >"$emulator_dir/emulator.log" 2>&1 &
    emulator_pid=$!
    if ! wait_for 30 "$emulator_pid" test -s "$emulator_dir/ready"; then
        cat "$emulator_dir/emulator.log"
        die "the emulator did not become ready"
    fi
    export AWS_REGION=eu-central-1 AWS_ACCESS_KEY_ID=emulated AWS_SECRET_ACCESS_KEY=emulated
    export AWS_ENDPOINT_URL_EC2
    AWS_ENDPOINT_URL_EC2=$(ready .ec2_url)
}

# ready FILTER: reads what the emulator said when it became ready.
ready() { jq -er "$1" "$emulator_dir/ready"; }

# Ends the emulator and makes sure that it left nothing in the kernel: fails if it did.
stop_emulator() {
    [ -z "${emulator_pid:-}" ] || stop "$emulator_pid"
    emulator_pid=
    local left=0 mount loop
    for mount in $(awk -v dir="$emulator_dir/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac); do
        say "left behind: a mount at $mount"
        umount "$mount" || umount --lazy "$mount" || true
        left=1
    done
    if [ "$(id -u)" -eq 0 ]; then
        for loop in $(losetup --list --noheadings --output NAME,BACK-FILE | awk -v dir="$emulator_dir/" 'index($2, dir) == 1 { print $1 }'); do
            say "left behind: $loop"
            losetup --detach "$loop" || true
            left=1
        done
    fi
    return "$left"
}
