#!/usr/bin/env bash
# Becomes the driver as it runs in a container: with the image's root, read-only, and its programs alone.
# What image/check.sh runs as the driver; it has unpacked the image and says where by environment:
#
#   IMAGE_ROOT   the image's root, mounted read-only
#   IMAGE_PATH   the PATH that the image sets
#   IMAGE_MOUNT  FROM:TO, a directory of this machine that is seen in the container as TO; mounts below it
#                are seen on both sides, as with the kubelet's directory
#   IMAGE_USER   UID:GID
#
# usage: image/enter.sh ARGUMENT...
#
# Each step replaces the one before: who started this can wait for, signal and kill the driver itself.

set -euo pipefail

if [ "${1:-}" != --inside ]; then
    # Mounts made from here on are this process' own, save below IMAGE_MOUNT.
    exec unshare --mount --propagation unchanged "$0" --inside "$@"
fi
shift
mount --types proc proc "$IMAGE_ROOT/proc"
mount --types sysfs --options ro sysfs "$IMAGE_ROOT/sys"
mount --rbind --make-rslave /dev "$IMAGE_ROOT/dev"
mount --rbind "${IMAGE_MOUNT%%:*}" "$IMAGE_ROOT${IMAGE_MOUNT#*:}"
exec env PATH="$IMAGE_PATH" chroot --userspec "$IMAGE_USER" --groups='' "$IMAGE_ROOT" /usr/bin/ebs-csi "$@"
