#!/usr/bin/env bash
# Plays the node's life on real NVMe devices: a virtual machine in which the driver as it is shipped serves,
# with controllers that come and go, disks that fail and power that is cut (tests/nvme). Ends with
# `N passed, N failed, N skipped`. EBS_CSI_SEED, which each test prints, repeats a run.
#
# usage: scripts/nvme.sh [soak] [ARGUMENT...], the arguments as for `cargo test`

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

skip() {
    say "skipped: $*"
    say "0 passed, 0 failed, 1 skipped"
    exit 0
}
[ "$(uname -m)" = x86_64 ] || skip "the virtual machine is an amd64, this one is $(uname -m)"
have apt-get || skip "the virtual machine is made of Debian's packages, and there is no apt-get"

if [ "${1:-}" = soak ]; then
    export EBS_CSI_NVME_SOAK=1
    shift
fi

# Emulation is slow and works everywhere. A processor that lends itself to virtual machines says so; the device
# alone is also there where a virtual machine inside does not get beyond its firmware.
if grep --quiet --word-regexp --extended-regexp 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ]; then
    accelerator=kvm
else
    accelerator=tcg,tb-size=256
fi

build_shipped
tests/nvme/guest/build.sh
run=$(mktemp -d)

# The machines of tests that were killed, each of which left its process id.
end_machines() {
    local file pid
    while read -r file; do
        pid=$(cat "$file")
        # The id may be someone else's by now.
        if grep --quiet --fixed-strings "$run" "/proc/$pid/cmdline" 2>/dev/null; then
            kill -KILL "$pid" 2>/dev/null || true
        fi
    done < <(find "$run" -name pid)
}
clean_up() {
    end_machines
    rm -rf --one-file-system "$run"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

say "--- NVMe devices in a virtual machine: $(sed -nE 's/^qemu-system-x86=/qemu /p' "$cache/nvme/debian/packages"), $(sed -n '/^linux-image/p' "$cache/nvme/debian/packages"), $accelerator"
began=$SECONDS status=0
EBS_CSI_NVME=$cache/nvme EBS_CSI_NVME_RUN=$run EBS_CSI_NVME_ACCELERATOR=$accelerator \
    cargo test --workspace --locked --no-fail-fast --test nvme -- --nocapture --test-threads 2 "$@" 2>&1 | tee "$run/log" || status=$?

# sum PATTERN: adds up the numbers before PATTERN in the closing line.
sum() { { grep -E '^test result: ' "$run/log" || true; } | { grep -oE "[0-9]+ $1" || true; } | awk '{ n += $1 } END { print n + 0 }'; }
p=$(sum passed) f=$(sum failed) s=$(sum '(ignored|filtered out)')
[ "$status" -eq 0 ] || [ "$f" -gt 0 ] || f=1
say "nvme took $((SECONDS - began)) s"
say "$p passed, $f failed, $s skipped"
[ "$f" -eq 0 ]
