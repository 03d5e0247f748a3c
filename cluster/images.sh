#!/usr/bin/env bash
# Makes the images that the cluster and the examples' manifests name, out of Debian's programs (debian.sh)
# and our own (build.sh), into $CLUSTER_DIR/images. They carry the names of the public images and behave as
# those do where manifests rely on it, and hold busybox's tools besides. Up to date ones are left alone.
#
# usage: cluster/images.sh

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=cluster/env.sh
. "$root/cluster/env.sh"
# shellcheck source=image/collect.sh
. "$root/image/collect.sh"
export collect_prefix=$debian
out=$CLUSTER_DIR/images

# Each of the functions root_NAME fills the image's root and leaves in `settings` what pack.sh is told of it.

root_pause() {
    add_program "$1" "$B/pause" /pause
    settings=(--entrypoint '["/pause"]')
}

root_coredns() {
    add_program "$1" "$B/coredns" /usr/bin/coredns
    settings=(--entrypoint '["coredns"]')
}

root_busybox() {
    add_tools "$1"
    settings=(--cmd '["sh"]')
}

root_redis() {
    add_tools "$1"
    add_program "$1" "$debian/usr/bin/redis-server"
    add_program "$1" "$debian/usr/bin/redis-cli"
    mkdir "$1/data"
    settings=(--cmd '["redis-server", "--protected-mode", "no"]' --workdir /data)
}

root_nginx() {
    add_tools "$1"
    add_program "$1" "$debian/usr/sbin/nginx"
    add_file "$1" cluster/images/nginx.conf /etc/nginx/nginx.conf
    add_text "$1" /usr/share/nginx/html/index.html '<!doctype html><title>nginx</title><p>nginx is running.'
    mkdir -p "$1/var/lib/nginx" "$1/var/log/nginx"
    settings=(--cmd '["nginx", "-g", "daemon off;"]' --stop-signal SIGQUIT)
}

root_mysql() {
    local program
    add_tools "$1"
    for program in usr/sbin/mariadbd usr/bin/{mariadb,mariadb-admin,mariadb-dump,my_print_defaults,resolveip}; do
        add_program "$1" "$debian/$program"
    done
    add_file "$1" "$debian/usr/bin/mariadb-install-db" /usr/bin/mariadb-install-db 755
    add_file "$1" cluster/images/mysql.sh /usr/bin/docker-entrypoint.sh 755
    for program in mysql:mariadb mysqladmin:mariadb-admin mysqldump:mariadb-dump; do
        ln -s "${program#*:}" "$1/usr/bin/${program%:*}"
    done
    mkdir -p "$1/usr/share" "$1/var/lib/mysql" "$1/run/mysqld"
    cp -r "$debian/usr/share/mysql" "$1/usr/share/mysql"
    echo "mysql:x:999:999:mysql:/var/lib/mysql:/bin/sh" >>"$1/etc/passwd"
    echo "mysql:x:999:" >>"$1/etc/group"
    settings=(--entrypoint '["docker-entrypoint.sh"]' --cmd '["mysqld"]')
}

root_etcd() {
    add_tools "$1"
    add_program "$1" "$debian/usr/bin/etcd"
    add_program "$1" "$debian/usr/bin/etcdctl"
    settings=(--cmd '["etcd"]')
}

root_ubuntu() {
    add_tools "$1"
    add_program "$1" "$debian/bin/bash"
    settings=(--cmd '["bash"]')
}

# add_tools ROOT: busybox under all of its names, and what Debian's lacks though users' commands name it.
add_tools() {
    local busybox=$debian/bin/busybox tool
    add_program "$1" "$busybox" /usr/bin/busybox
    for tool in $("$busybox" --list); do
        [ "$tool" = busybox ] || ln -s busybox "$1/usr/bin/$tool"
    done
    add_program "$1" "$debian/usr/bin/pgrep"
    ln -s pgrep "$1/usr/bin/pkill"
}

# image [REGISTRY/]NAME:TAG [FILE]...: makes the image unless the one that is there was made from the same. The
# files are what it takes besides what they all take.
image() {
    local name=${1%:*} reference=$1 inputs settings=()
    shift
    name=${name##*/}
    [[ $reference == */* ]] || reference=docker.io/library/$reference
    inputs=$(sha256sum cluster/images.sh image/collect.sh image/pack.sh "$debian/stamp" "$@" | sha256sum)
    if [ "$(cat "$out/.$name.made-from" 2>/dev/null)" = "$inputs" ] && [ -e "$out/$name.tar" ]; then return; fi
    rm -rf "$work/root"
    new_root "$work/root"
    "root_$name" "$work/root"
    image/pack.sh "$work/root" "$work/$name.tar" "$reference" "${settings[@]}"
    rm -f "$out/.$name.made-from"
    mv "$work/$name.tar" "$out/$name.tar"
    printf '%s\n' "$inputs" >"$out/.$name.made-from"
}

mkdir -p "$out"
exec 8>"$out/.lock"
flock 8
work=$out.work
rm -rf "$work"
mkdir "$work"
trap 'rm -rf "$work"' EXIT

image pause:test "$B/pause"
image coredns:test "$B/coredns"
image busybox:1
image redis:7
image nginx:1 cluster/images/nginx.conf
image mysql:8 cluster/images/mysql.sh
image quay.io/coreos/etcd:v3.4.23
image ubuntu:24.04
