#!/usr/bin/env bash
# Starts or stops the cluster's EC2, always at the same addresses and with the same state. Stopping is a kill: the
# API and the metadata are gone at once, while attached volumes stay where they are, as in an outage of AWS.
#
# usage: cluster/emulator.sh start|stop

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=cluster/env.sh
. "$root/cluster/env.sh"
# shellcheck source=cluster/processes.sh
. "$root/cluster/processes.sh"
# shellcheck source=cluster/nodes.sh
. "$root/cluster/nodes.sh"

[ "$(id -u)" -eq 0 ] || die "not root: the cluster is root's"

start() {
    local pid index instances=4 E=$R/emulator
    [ -z "$(emulator_pids)" ] || die "the emulator runs already"
    for index in "${INSTANCES[@]}"; do
        if [ "$index" -ge "$instances" ]; then instances=$((index + 1)); fi
    done
    mkdir -p "$E/data" "$R/logs"
    rm -f "$E/ready" # a killed one's says nothing about this one
    nsenter --net="/run/netns/$BR-net" setsid "${CLUSTER_LAB:?}" emulate --data "$E/data" \
        --region "$CLUSTER_REGION" --zones 3 --instances "$instances" --instance-type "$CLUSTER_INSTANCE_TYPE" \
        --listen "$NET.0.254:8080" --control "$NET.0.254:8081" --insecure-bind --ready-file "$E/ready" \
        </dev/null >>"$R/logs/emulator.log" 2>&1 9>&- &
    pid=$!
    echo "$pid" >"$E/pid"
    if ! wait_for 30 "$pid" test -s "$E/ready"; then
        tail -n 20 "$R/logs/emulator.log" >&2
        die "the emulator did not become ready"
    fi
    if [ -e "$R/cluster.json" ]; then describe_cluster; fi
}

case ${1:-} in
start) start ;;
stop) end_all KILL emulator_pids || die "the emulator does not end" ;;
*) die "usage: cluster/emulator.sh start|stop" ;;
esac
