#!/usr/bin/env bash
# Fetches the programs that the cluster takes from Debian, and the libraries they need, and unpacks them
# into $CLUSTER_DIR/debian without installing a package: databases and web servers would start as services
# of this machine, and containerd would push out the one that Docker brings. Does nothing when they are there.
#
# usage: cluster/debian.sh

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=cluster/env.sh
. "$root/cluster/env.sh"

# What a node and the control plane run, then what the test images hold.
packages=(containerd runc etcd-server containernetworking-plugins busybox-static procps nftables
    redis-server redis-tools mariadb-server-core mariadb-client-core mariadb-client nginx)

# Changes with this list and this script: a tree unpacked by another one is fetched anew.
stamp=$(sha256sum "${BASH_SOURCE[0]}")
stamp=${stamp%% *}
mkdir -p "$CLUSTER_DIR"
exec 8>"$debian.lock"
flock 8
if [ "$(cat "$debian/stamp" 2>/dev/null)" = "$stamp" ]; then exit 0; fi

for program in apt-get dpkg-deb; do
    have "$program" || die "$program is missing: the cluster takes its programs from Debian's packages, so it needs Debian or Ubuntu"
done

new=$debian.new
rm -rf "$new"
mkdir -p "$new/archives"
trap 'rm -rf "$new"' EXIT
apt=(apt-get -qq -o APT::Sandbox::User=root)

# needed PACKAGE...: NAME=VERSION of each and of the libraries below it, as for a machine with nothing
# installed, so that the tree holds together whatever is installed or removed here later on. Of what else
# they depend on (users, services, perl) nothing runs; libc must be the one that the loader belongs to.
needed() {
    : >"$new/nothing-installed"
    "${apt[@]}" --simulate -o "Dir::State::status=$new/nothing-installed" --no-install-recommends install "$@" \
        | awk -v wanted=" $* " '$1 == "Inst" && (index(wanted, " " $2 " ") || $2 ~ /^(lib|zlib)/ && $2 !~ /perl|-bin$|-common$|^libc6$/) {
            print $2 "=" substr($3, 2) }'
}

say "cluster: fetching ${packages[*]}"
"${apt[@]}" update || say "cluster: the package lists could not all be updated"
wanted=$(needed "${packages[@]}")
mapfile -t wanted <<<"$wanted"
(cd "$new/archives" && "${apt[@]}" download "${wanted[@]}")
for archive in "$new"/archives/*.deb; do
    dpkg-deb --extract "$archive" "$new"
done
# Older packages have some of these beside /usr; here all is below it, as on a machine of today.
for dir in bin sbin lib lib64; do
    [ ! -d "$new/$dir" ] || { mkdir -p "$new/usr/$dir" && cp -a "$new/$dir/." "$new/usr/$dir" && rm -rf "${new:?}/$dir"; }
    ln -s "usr/$dir" "$new/$dir"
done
rm -rf "$new/archives" "$new/nothing-installed" "$new"/usr/share/{doc,man,locale,lintian}
printf '%s\n' "$stamp" >"$new/stamp"
rm -rf "$debian"
mv "$new" "$debian"
