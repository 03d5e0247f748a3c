# shellcheck shell=bash
# Sourced by emulator.sh and down.sh: the cluster's processes, told by what they are and not by a noted pid, which
# a kill could have kept from being noted, and which may be another process's by now.

# The emulator of this cluster: the process that was given its data directory.
emulator_pids() {
    # shellcheck disable=SC2062 # it is quoted; one word, so that grep does not find itself
    { grep -lsxzF --regexp="$R/emulator/data" /proc/[0-9]*/cmdline || true; } | cut -d/ -f3
}

# Whatever lives in the network of the control plane or a node; all else there descends from that.
tree_pids() {
    local ns
    for ns in $(namespaces); do
        [ "$ns" = "$BR-net" ] || ip netns pids "$ns" 2>/dev/null || true
    done
}

# The network namespaces of this cluster, however many nodes it had.
namespaces() { { ip netns list || true; } | awk -v br="$BR-" 'index($1, br) == 1 && substr($1, length(br) + 1) ~ /^([0-9]|net)$/ { print $1 }'; }

# end_all SIGNAL WHOSE: sends it to all pids that the command WHOSE prints and waits until it prints none.
end_all() {
    local pids deadline=$((SECONDS + 30))
    while pids=$("$2") && [ -n "$pids" ]; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        # shellcheck disable=SC2086 # many words
        kill "-$1" $pids 2>/dev/null || true
        sleep 0.1
    done
}
