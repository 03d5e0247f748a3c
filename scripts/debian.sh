# shellcheck shell=bash
# Sourced by the scripts that take programs from Debian's packages without installing one: what is
# installed would start services, replace what this machine runs, or stay when the clone is gone.

# unpack_debian DIRECTORY CALLER PACKAGE...: these packages and the libraries they need, unpacked into
# DIRECTORY, which is left alone if the same CALLER (a script's file) made it of the same packages.
unpack_debian() {
    local directory=$1 stamp new
    # Changes with the list and with the script that holds it: a tree unpacked by another one is fetched anew.
    stamp=$({ cat "$2" && printf '%s\n' "${@:3}"; } | sha256sum)
    stamp=${stamp%% *}
    shift 2
    mkdir -p "$(dirname "$directory")"
    exec 8>"$directory.lock"
    flock 8
    if [ "$(cat "$directory/stamp" 2>/dev/null)" = "$stamp" ]; then
        exec 8>&-
        return 0
    fi
    for program in apt-get dpkg-deb; do
        have "$program" || die "$program is missing: these programs come from Debian's packages, so this needs Debian or Ubuntu"
    done
    new=$directory.new
    rm -rf "$new"
    mkdir -p "$new/archives"
    fetch_debian "$new" "$@"
    printf '%s\n' "$stamp" >"$new/stamp"
    rm -rf "$directory"
    mv "$new" "$directory"
    exec 8>&-
}

# fetch_debian DIRECTORY PACKAGE...: the packages and the libraries below them, unpacked, everything below usr.
fetch_debian() {
    local new=$1 wanted archive dir apt=(apt-get -qq -o APT::Sandbox::User=root)
    shift
    "${apt[@]}" update || say "the package lists could not all be updated"
    wanted=$(needed_of_debian "$new" "$@")
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
    printf '%s\n' "${wanted[@]}" >"$new/packages"
    rm -rf "$new/archives" "$new/nothing-installed" "$new"/usr/share/{doc,man,locale,lintian}
}

# needed_of_debian DIRECTORY PACKAGE...: NAME=VERSION of each and of the libraries below it, as for a machine
# with nothing installed, so that the tree holds together whatever is installed or removed here later on. Of
# what else they depend on (users, services, perl) nothing runs; libc must be the one that the loader belongs to.
needed_of_debian() {
    local new=$1
    shift
    : >"$new/nothing-installed"
    apt-get -qq -o APT::Sandbox::User=root --simulate -o "Dir::State::status=$new/nothing-installed" --no-install-recommends install "$@" \
        | awk -v wanted=" $* " '$1 == "Inst" && (index(wanted, " " $2 " ") || $2 ~ /^(lib|zlib)/ && $2 !~ /perl|-bin$|-common$|^libc6$/) {
            print $2 "=" substr($3, 2) }'
}
