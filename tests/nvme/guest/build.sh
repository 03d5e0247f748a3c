#!/usr/bin/env bash
# Makes what the virtual machine boots: $cache/nvme/{kernel,root.cpio,initrd}. The root directory is
# made of Debian's packages once; the driver as it is shipped is put beside it each time.
#
# usage: tests/nvme/guest/build.sh

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../../scripts/common.sh"
# shellcheck source=image/collect.sh
. image/collect.sh

guest=$root/tests/nvme/guest
out=$cache/nvme
"$guest/debian.sh"
export collect_prefix=$out/debian

mkdir -p "$out"
exec 9>"$out/lock"
flock 9
work=$(mktemp -d "$out/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
busybox=$collect_prefix/usr/bin/busybox
kernels=("$collect_prefix"/usr/lib/modules/*)
release=${kernels[0]##*/}

# The programs that crates/host runs, those that the tests look at devices with, and a database.
programs=(blkid blockdev mount umount findmnt mkfs.ext4 mke2fs e2fsck resize2fs tune2fs dumpe2fs
    mkfs.xfs xfs_repair xfs_db mkfs.btrfs btrfs sqlite3)
links=(mke2fs:mkfs.ext3 e2fsck:fsck.ext4 e2fsck:fsck.ext3)
modules=(virtio_pci virtio_net xfs btrfs)

# pack DIRECTORY: as an archive that the kernel unpacks into its first root directory.
pack() { (cd "$1" && find . | LC_ALL=C sort | "$busybox" cpio -o -H newc 2>/dev/null); }

# with_libraries PROGRAM ARGUMENT...: a program of the unpacked packages.
with_libraries() { LD_LIBRARY_PATH=$collect_prefix/usr/lib/x86_64-linux-gnu "$@"; }

# module_files MODULE: its file and those that it needs, as modules.dep has them.
module_files() {
    sed -nE "s#^(kernel/.*/)?($1)\.ko(\.xz)?:.*#&#p" "$work/modules.dep" | tr -d : | tr ' ' '\n' | grep . \
        || die "the kernel $release has no module $1"
}

root_directory() {
    local dir=$1 program link module file
    new_root "$dir"
    add_file "$dir" "$busybox" /usr/bin/busybox 755
    while read -r program; do
        [ -e "$dir/usr/bin/$program" ] || ln -s busybox "$dir/usr/bin/$program"
    done < <("$busybox" --list)
    for program in "${programs[@]}"; do
        file=$collect_prefix/usr/sbin/$program
        [ -e "$file" ] || file=$collect_prefix/usr/bin/$program
        rm -f "$dir/usr/bin/$program"
        add_program "$dir" "$file"
    done
    for link in "${links[@]}"; do
        rm -f "$dir/usr/bin/${link#*:}"
        ln -s "${link%:*}" "$dir/usr/sbin/${link#*:}"
    done
    add_file "$dir" "$collect_prefix/etc/mke2fs.conf" /etc/mke2fs.conf
    with_libraries "$collect_prefix/usr/sbin/depmod" -b "$collect_prefix" "$release"
    cp "$collect_prefix/usr/lib/modules/$release/modules.dep" "$work/modules.dep"
    for module in "${modules[@]}"; do
        while read -r file; do
            mkdir -p "$dir/usr/lib/modules/$release/${file%/*}"
            cp "$collect_prefix/usr/lib/modules/$release/$file" "$dir/usr/lib/modules/$release/$file"
        done < <(module_files "$module")
    done
    cp "$collect_prefix/usr/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$dir/usr/lib/modules/$release"
    with_libraries "$collect_prefix/usr/sbin/depmod" -b "$dir" "$release"
    add_file "$dir" "$guest/init" /init 755
}

stamp=$(cat "$collect_prefix/stamp" "${BASH_SOURCE[0]}" "$guest/init" image/collect.sh | sha256sum)
if [ "$(cat "$out/root.stamp" 2>/dev/null)" != "$stamp" ]; then
    rm -f "$out/root.stamp"
    root_directory "$work/root"
    pack "$work/root" >"$out/root.cpio"
    cp "$collect_prefix"/boot/vmlinuz-* "$out/kernel"
    printf '%s\n' "$stamp" >"$out/root.stamp"
fi

mkdir -p "$work/driver/usr/bin"
cp "$shipped" "$work/driver/usr/bin/ebs-csi"
chmod 755 "$work/driver/usr/bin/ebs-csi"
# The kernel unpacks one archive after the other.
{ cat "$out/root.cpio" && pack "$work/driver"; } >"$work/initrd"
mv "$work/initrd" "$out/initrd"
