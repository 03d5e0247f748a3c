# shellcheck shell=bash
# Sourced by the scripts that gather an image's files: functions that put programs, with the shared
# libraries they need, into a directory that becomes the image's root. Needs only what Debian's smallest
# base has (coreutils, ldd).
#
# Every function takes the image's root first. `collect_prefix=DIRECTORY` takes programs and libraries out
# of a tree other than this machine's where that has them (unpacked packages, say): DIRECTORY/usr/sbin/x
# becomes /usr/sbin/x.

collect_prefix=${collect_prefix:-}
umask 022

# new_root ROOT: an empty root with what every program may expect of one. Directories are merged under
# /usr as Debian has them, and nobody but root can write outside /tmp.
new_root() {
    mkdir "$1"
    mkdir -p "$1"/{dev,etc,proc,root,run,sys,tmp,usr/bin,usr/lib,usr/sbin,var}
    chmod 755 "$1"
    chmod 700 "$1/root"
    chmod 1777 "$1/tmp"
    ln -s usr/bin "$1/bin"
    ln -s usr/lib "$1/lib"
    ln -s usr/sbin "$1/sbin"
    ln -s ../run "$1/var/run"
    ln -s ../tmp "$1/var/tmp"
    add_text "$1" /etc/passwd 'root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/:/sbin/nologin
nonroot:x:65532:65532:nonroot:/:/sbin/nologin'
    add_text "$1" /etc/group 'root:x:0:
nogroup:x:65534:
nonroot:x:65532:'
    add_text "$1" /etc/nsswitch.conf 'passwd: files
group: files
hosts: files dns'
}

# place_of ROOT PATH: where PATH lies in the image.
place_of() {
    local path=${2#"$collect_prefix"}
    case $path in
        /bin/* | /sbin/* | /lib/*) path=/usr$path ;;
        /lib64/*) # not every architecture has it
            [ -L "$1/lib64" ] || ln -s usr/lib64 "$1/lib64"
            path=/usr$path
            ;;
    esac
    printf '%s\n' "$1$path"
}

# add_file ROOT FILE [PLACE [MODE]]: copies a file, through links, to where it lies here or to PLACE. It is
# never setuid.
add_file() {
    local place
    place=$(place_of "$1" "${3:-$2}")
    mkdir -p "${place%/*}"
    cp --dereference --no-preserve=mode "$2" "$place"
    chmod "${4:-644}" "$place"
}

# add_text ROOT PLACE TEXT [MODE]: a file with this text and a line's end.
add_text() {
    mkdir -p "$1${2%/*}"
    printf '%s\n' "$3" >"$1$2"
    chmod "${4:-644}" "$1$2"
}

# add_program ROOT PROGRAM [PLACE]: copies a program and the shared libraries that it is linked to.
add_program() {
    add_file "$1" "$2" "${3:-$2}" 755
    local libraries library
    libraries=$(libraries_of "$2") || return
    while read -r library; do
        [ -z "$library" ] || add_file "$1" "$library" "$library" 755
    done <<<"$libraries"
}

# libraries_of PROGRAM: the paths of its shared libraries, the loader among them.
libraries_of() {
    local said places=()
    if [ -n "$collect_prefix" ]; then
        places=("$collect_prefix"/usr/lib/*-linux-gnu "$collect_prefix"/lib/*-linux-gnu)
    fi
    if ! said=$(IFS=: && LC_ALL=C LD_LIBRARY_PATH="${places[*]}" ldd "$1" 2>&1); then
        [[ $said == *"not a dynamic executable"* ]] && return
        die "ldd $1: $said"
    fi
    [[ $said != *"not found"* ]] || die "a library of $1 is missing: $said"
    # "NAME => PATH (ADDRESS)", or "PATH (ADDRESS)" for the loader; the kernel's own vdso has no path.
    sed -nE 's/^\s*(.* => )?(\/\S+) \(0x[0-9a-f]+\)$/\2/p' <<<"$said"
}
