# shellcheck shell=bash
# Sourced by up.sh and down.sh: a control group for each node, in version 1 (a hierarchy for each controller)
# or version 2 (one for all).

# The directories in which a node gets a group of its own.
cgroup_parents() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        echo /sys/fs/cgroup
        return
    fi
    local dir
    for dir in /sys/fs/cgroup/*/; do
        dir=${dir%/}
        # Links are second names (cpu → cpu,cpuacct).
        if [ ! -L "$dir" ] && [ -e "$dir/cgroup.procs" ]; then echo "$dir"; fi
    done
}

delegation=/sys/fs/cgroup/cgroup.subtree_control

# cgroup2_delegate FILE: version 2 alone: groups have a controller only where the root passes it on. What the root
# passed on before is noted in FILE.
cgroup2_delegate() {
    [ -e "$delegation" ] || return 0
    local controller
    cat "$delegation" >"$1"
    for controller in cpu cpuset io memory pids hugetlb; do
        if grep -qw "$controller" /sys/fs/cgroup/cgroup.controllers; then echo "+$controller" >"$delegation"; fi
    done
}

# cgroup2_restore FILE: the root passes on no more than before, but for what somebody uses by now.
cgroup2_restore() {
    [ -e "$1" ] || return 0
    local controller
    for controller in $(<"$delegation"); do
        grep -qw "$controller" "$1" || echo "-$controller" 2>/dev/null >"$delegation" || true
    done
}

# cgroup_make NAME
cgroup_make() {
    local parent file
    for parent in $(cgroup_parents); do
        mkdir -p "$parent/$1"
        # Version 1: a group of cpuset takes no process before these are filled.
        if [ ! -e "$parent/cgroup.controllers" ] && [ -e "$parent/$1/cpuset.cpus" ]; then
            for file in cpuset.cpus cpuset.mems; do cat "$parent/$file" >"$parent/$1/$file"; done
        fi
    done
}

# cgroup_remove NAME: and all groups in it; fails while a process is in one.
cgroup_remove() {
    local parent
    for parent in $(cgroup_parents); do
        if [ -d "$parent/$1" ]; then
            find "$parent/$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
            [ ! -d "$parent/$1" ] || return 1
        fi
    done
}
