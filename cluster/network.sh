# shellcheck shell=bash
# Sourced by up.sh: a network namespace for the emulated AWS with the bridge in it, one for the control plane and
# one for each node. This machine has one link into it, $BR, and forwards nothing, so its firewall has no say in
# what pods and nodes tell each other.

# network_machine NAMESPACE ADDRESS: a namespace with an eth0 on the bridge.
network_machine() {
    ip netns add "$1"
    ip link add eth0 netns "$1" type veth peer name "v${1##*-}" netns "$BR-net"
    ip -n "$BR-net" link set "v${1##*-}" master bridge up
    ip -n "$1" addr add "$2/24" dev eth0
    ip -n "$1" link set lo up
    ip -n "$1" link set eth0 up
    nsenter --net="/run/netns/$1" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
}

# network_pods [NAMESPACE] [NODE]: the way to the pods of each node but this one.
network_pods() {
    local m
    for ((m = 1; m <= NODES; m++)); do
        [ "$m" = "${2:-}" ] || ip ${1:+-n "$1"} route add "$NET.$m.0/24" via "$NET.0.1$m"
    done
}

network_make() {
    local n
    ip netns add "$BR-net"
    ip link add "$BR" type veth peer name host netns "$BR-net"
    ip link set "$BR" alias "$R" # tells whose it is
    ip -n "$BR-net" link add name bridge type bridge
    ip -n "$BR-net" link set host master bridge up
    ip -n "$BR-net" link set lo up
    ip -n "$BR-net" addr add "$NET.0.254/24" dev bridge
    ip -n "$BR-net" link set bridge up
    network_pods "$BR-net"
    ip addr add "$NET.0.253/24" dev "$BR"
    ip link set "$BR" up
    network_pods

    network_machine "$BR-0" "$NET.0.1"
    network_pods "$BR-0"
    for ((n = 1; n <= NODES; n++)); do
        network_machine "$BR-$n" "$NET.0.1$n"
        network_pods "$BR-$n" "$n"
        # Service addresses are translated before they are routed, but without a route there is nothing to translate.
        ip -n "$BR-$n" route add "$SERVICES" via "$NET.0.1"
    done
    # Services are within reach of this machine too, through a node, unless it uses these addresses itself.
    if [ -z "$(ip -4 route show root "$SERVICES")" ]; then
        ip route add "$SERVICES" via "$NET.0.11"
    fi
}

# network_imds NODE URL: instance metadata at its well-known address for the node and its pods.
network_imds() (
    use_debian
    ip -n "$BR-$1" route add 169.254.169.254/32 via "$NET.0.254"
    nsenter --net="/run/netns/$BR-$1" nft -f - <<N
table ip imds {
    chain prerouting { type nat hook prerouting priority dstnat; ip daddr 169.254.169.254 tcp dport 80 dnat to ${2#http://}; }
    chain output { type nat hook output priority -100; ip daddr 169.254.169.254 tcp dport 80 dnat to ${2#http://}; }
}
N
)
