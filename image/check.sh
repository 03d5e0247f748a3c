#!/usr/bin/env bash
# Checks the driver's image: what is in it, and that the driver works with nothing but what is in it, as a
# container would run it: the controller without root, a node plugin with disks. Ends with
# `N passed, N failed, N skipped`.
#
# usage: image/check.sh [IMAGE.tar]     without one, the image is built

archive=${1:+$(realpath "$1")}
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=scripts/checks.sh
. scripts/checks.sh

if [ -z "$archive" ]; then
    image/build.sh
    archive=$cache/image/ebs-csi.tar
fi
# Not in /tmp: that may be mounted with nodev, and is a link's target in the image.
mkdir -p "$cache/image"
work=$(mktemp -d "$cache/image/check.XXXXXX")
driver_pid='' server_pid=''
clean_up() {
    local pid
    for pid in $driver_pid $server_pid; do stop "$pid"; done
    # What was mounted last lies on top; a driver that was killed takes its own mounts along.
    awk -v dir="$work/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac | xargs --no-run-if-empty --delimiter='\n' umount || true
    rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# --- What it is ----------------------------------------------------------------------------------

mkdir "$work/archive"
tar --extract --file "$archive" --directory "$work/archive"
# blob DIGEST: its file.
blob() { printf '%s\n' "$work/archive/blobs/${1/://}"; }
sha256() { sha256sum "$@" | cut -d ' ' -f 1; }

manifest=$(blob "$(jq -r '.manifests[0].digest' "$work/archive/index.json")")
config=$(blob "$(jq -r .config.digest "$manifest")")
mapfile -t layers < <(jq -r '.layers[].digest' "$manifest")
# For each layer what `tar --list` says, with names as they are below the root.
contents() {
    local layer
    for layer in "${layers[@]}"; do
        tar --list --verbose --numeric-owner --transform 's,^\./,,' --show-transformed-names --file "$(blob "$layer")"
    done
}
setting() { jq -cr ".config.$1" "$config"; }

# misnamed: the blobs that are not what their names say.
misnamed() { (cd "$work/archive/blobs/sha256" && sha256sum -- * | awk '$1 != $2 { print $2 }'); }
unpacked_ids() {
    local layer
    for layer in "${layers[@]}"; do gzip --decompress --stdout --force "$(blob "$layer")" | sha256 | sed 's/^/sha256:/'; done
}
check "every blob has the digest that it is named by" "$(misnamed)" ""
check "the layers unpack to what the configuration names" "$(unpacked_ids)" "$(jq -r '.rootfs.diff_ids[]' "$config")"
bytes=$(stat -c %s "$archive")
check "it has at most 40 MiB, compressed" "$((bytes <= 40 << 20 ? 0 : bytes))" 0

version=$(sed -nE '/^\[workspace\.package\]/,/^\[/s/^version = "(.*)"/\1/p' Cargo.toml)
check "its entry point is the driver" "$(setting Entrypoint)" '["/usr/bin/ebs-csi"]'
check "it names its version" "$(setting 'Labels["org.opencontainers.image.version"]')" "$version"

# Without a container engine this is what can be said of the Dockerfile.
from_dockerfile() { sed -nE "s/^ARG $1=//p" Dockerfile; }
check "the Dockerfile has the project's version" "$(from_dockerfile VERSION)" "$version"
check "the Dockerfile has the project's Rust" "$(from_dockerfile RUST)" "$(sed -nE 's/^channel = "(.*)"/\1/p' rust-toolchain.toml)"

# Besides shared libraries, and what is said about packages, there is just this: no shell above all.
expected='bin etc/group etc/mke2fs.conf etc/nsswitch.conf etc/os-release etc/passwd
etc/ssl/certs/ca-certificates.crt lib sbin usr/bin/ebs-csi usr/sbin/blkid usr/sbin/fsck.ext4
usr/sbin/mkfs.btrfs usr/sbin/mkfs.ext3 usr/sbin/mkfs.ext4 usr/sbin/mkfs.xfs usr/sbin/resize2fs var/run var/tmp'
files() {
    contents | awk '$6 !~ /\/$/ { print $6 }' \
        | grep -vE '^(lib64$|usr/lib(64)?/.*\.so(\.[0-9]+)*$|usr/share/doc/|var/lib/dpkg/status\.d/)' | sort | xargs
}
check "it holds the driver and its programs, and no others" "$(files)" "$(xargs <<<"$expected")"
# unsafe: what is not a plain file, directory or link of root's that nobody else can write to, /tmp apart.
unsafe() { contents | awk '($1 !~ /^(l.........|[-d]r[-w][-x]r-[-x]r-[-x]|d......---)$/ || $2 != "0/0") && !($6 == "tmp/" && $1 == "drwxrwxrwt")'; }
check "nothing in it is setuid, a device, or anyone's to change" "$(unsafe)" ""

# The list of parts that image/build.sh writes beside the image.
parts=${archive%.tar}.cdx.json
listed() { jq -r --arg of "pkg:$1/" '.components[] | select(.purl | startswith($of)) | select('"$2"').name' "$parts" | sort | xargs; }
if [ -e "$parts" ]; then
    check "the list of its parts has the Debian packages in it" "$(listed deb true)" \
        "$(contents | awk '$6 ~ /^var\/lib\/dpkg\/status\.d\/./ { sub(/.*\//, "", $6); print $6 }' | sort | xargs)"
    check "and the driver's crates, by their checksums but for its own" "$(listed cargo '.hashes | not')" "csi ebs-csi ebs-types ec2 host"
else
    say "skipped: there is no $parts"
    skipped=$((skipped + 1))
fi

# The same files, made at another time and in another order.
for name in one other; do
    mkdir -p "$work/$name/dir"
    printf 'text\n' >"$work/$name/b"
    printf 'text\n' >"$work/$name/dir/a"
done
touch --date=@1 "$work/other/b" "$work/other/dir/a" "$work/other"
for name in one other; do image/pack.sh "$work/$name" "$work/$name.tar" example.org/same:1 >"$work/said"; done
check "the same files make the same bytes" "$(sha256 "$work/one.tar")" "$(sha256 "$work/other.tar")"

if [ "$(id -u)" -ne 0 ]; then
    say "skipped: the driver is not tried in the image: that takes root"
    skipped=$((skipped + 1))
    finish
    exit
fi

# --- The driver in it ----------------------------------------------------------------------------

# Mounts below it are seen in the container and here, as with the kubelet's directory.
share=$work/share
mkdir -p "$work/root/csi" "$work/root$share" "$share" "$work/csi"
for layer in "${layers[@]}"; do tar --extract --preserve-permissions --file "$(blob "$layer")" --directory "$work/root"; done
mount --bind "$work/root" "$work/root"
mount --make-private "$work/root"
mount --options remount,bind,ro "$work/root"
mount --bind "$share" "$share"
mount --make-private "$share"
mount --make-shared "$share"
chmod 777 "$work/csi"

IMAGE_PATH=$(jq -r '.config.Env[] | select(startswith("PATH=")) | .[5:]' "$config")
export IMAGE_PATH IMAGE_ROOT=$work/root
unset SSL_CERT_FILE SSL_CERT_DIR
socket=$work/csi/csi.sock

start_controller() {
    IMAGE_USER=65532:65532 IMAGE_MOUNT=$work/csi:/csi AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=y \
        image/enter.sh controller --endpoint unix:///csi/csi.sock --region eu-central-1 "$@" >"$work/driver.log" 2>&1 &
    driver_pid=$!
    if ! wait_for 30 "$driver_pid" test -S "$socket"; then
        cat "$work/driver.log"
        die "the controller did not start in the image"
    fi
}
stop_controller() {
    stop "$driver_pid"
    driver_pid=
}
# rpc METHOD MESSAGE: calls it; the answer's headers, message and trailers.
rpc() {
    printf '%b' "$2" | curl --silent --show-error --include --max-time 30 --http2-prior-knowledge --unix-socket "$socket" \
        --header 'content-type: application/grpc' --header 'te: trailers' --data-binary @- "http://localhost/csi.v1.$1" | tr -d '\000'
}

# An EC2 whose certificate is signed by an authority that is known here alone.
authority() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2 "$@" 2>"$work/openssl.log"; }
authority -subj "/CN=an authority" -keyout "$work/ca.key" -out "$work/ca.crt"
authority -subj "/CN=a server" -addext "subjectAltName=IP:127.0.0.1" -addext "basicConstraints=critical,CA:FALSE" \
    -CA "$work/ca.crt" -CAkey "$work/ca.key" -keyout "$work/server.key" -out "$work/server.crt"
# -rev answers with what no HTTP client understands: past the handshake, but at once.
openssl s_server -accept 127.0.0.1:0 -cert "$work/server.crt" -key "$work/server.key" -rev >"$work/server.log" 2>&1 &
server_pid=$!
wait_for 10 "$server_pid" grep -qE '^ACCEPT .*:[0-9]+$' "$work/server.log" || die "no TLS server: $(cat "$work/server.log")"
ec2=https://$(sed -nE 's/^ACCEPT //p' "$work/server.log" | head -n 1)

# What came of calling EC2, for which DeleteVolume is a reason: the error is in its answer.
ec2_error() {
    rpc Controller/DeleteVolume '\0\0\0\0\x17\x0a\x15vol-0123456789abcdef0' \
        | sed 's/%20/ /g' | grep --text -oE 'invalid peer certificate: UnknownIssuer|invalid HTTP version parsed'
}

start_controller --ec2-endpoint "$ec2"
check "the controller answers Probe without root, capabilities, or a file to write to" \
    "$(rpc Identity/Probe '\0\0\0\0\0' | grep --text -c 'grpc-status: 0') $(awk '/^(Uid|CapEff):/ { print $2 }' "/proc/$driver_pid/status" | xargs)" \
    "1 65532 0000000000000000"
check "it does not trust an EC2 that an unknown authority vouches for" "$(ec2_error)" "invalid peer certificate: UnknownIssuer"
stop_controller

roots=$work/root/etc/ssl/certs/ca-certificates.crt
cat "$roots" "$work/ca.crt" >"$work/roots.crt"
mount --bind "$work/roots.crt" "$roots"
start_controller --ec2-endpoint "$ec2"
check "it does when the image's list names that authority" "$(ec2_error)" "invalid HTTP version parsed"
stop_controller
umount "$roots"
# AWS's own endpoints are vouched for by these.
amazon() { openssl crl2pkcs7 -nocrl -certfile "$roots" | openssl pkcs7 -print_certs -noout | grep -cE '^subject=.*CN ?= ?Amazon Root CA [1-4]$'; }
check "that list names Amazon's authorities" "$(amazon)" 4

# Every program of the image is needed in it, and growth of what is not mounted takes two of them.
demo=0
IMAGE_USER=0:0 IMAGE_MOUNT=$share:$share "$bin/ebs-lab" demo --plain --driver image/enter.sh --dir "$share/demo" >"$work/demo.log" 2>&1 || demo=$?
[ "$demo" -eq 0 ] || tail -n 100 "$work/demo.log"
check "the demo plays to its end on volumes that are formatted, checked, mounted and grown" \
    "$demo $(grep -cE ' (grow the mounted xfs|the restored disk has grown)$' "$work/demo.log")" "0 1"

finish
