#!/usr/bin/env bash
# Makes a container image out of a directory, without a container engine: an OCI archive with one
# compressed layer, which `docker load` and `podman load` take as well as containerd. The same directory
# makes the same bytes: times and owners are left out (all files are root's), names are sorted.
#
# usage: image/pack.sh DIRECTORY OUT.tar NAME [--entrypoint JSON] [--cmd JSON] [--env KEY=VALUE]...
#                      [--user USER] [--workdir DIRECTORY] [--label KEY=VALUE]... [--stop-signal SIGNAL]
#
# NAME is a whole reference (docker.io/library/ebs-csi:0.1.0), JSON an array of strings.
# shellcheck disable=SC2016 # what stands in single quotes are jq's variables

called_from=$PWD
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
cd "$called_from"

[ $# -ge 3 ] || die "usage: image/pack.sh DIRECTORY OUT.tar NAME [OPTION]..."
dir=$1 out=$2 name=$3
shift 3
[ -d "$dir" ] || die "$dir is not a directory"
[[ ${name##*/} == *:* ]] || die "$name has no tag"

# The image's run-time settings, in the words of the OCI image specification.
config='{"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "WorkingDir": "/"}'
set_config() { config=$(jq -c --arg value "$2" "$1" <<<"$config"); }
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || die "$1 takes a value"
    case $1 in
        --entrypoint) set_config '.Entrypoint = ($value | fromjson)' "$2" ;;
        --cmd) set_config '.Cmd = ($value | fromjson)' "$2" ;;
        --env) set_config '.Env += [$value]' "$2" ;;
        --user) set_config '.User = $value' "$2" ;;
        --workdir) set_config '.WorkingDir = $value' "$2" ;;
        --label) set_config '($value | index("=")) as $at | .Labels[$value[:$at]] = $value[$at + 1:]' "$2" ;;
        --stop-signal) set_config '.StopSignal = $value' "$2" ;;
        *) die "image/pack.sh knows no option $1" ;;
    esac
    shift 2
done

case $(uname -m) in
    x86_64) platform='{"architecture": "amd64", "os": "linux"}' ;;
    aarch64) platform='{"architecture": "arm64", "os": "linux", "variant": "v8"}' ;;
    *) die "no image for $(uname -m)" ;;
esac

work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT
blobs=$work/archive/blobs/sha256
mkdir -p "$blobs"

sha256() { sha256sum "$1" | cut -d ' ' -f 1; }
plain_tar() { tar --create --sort=name --format=gnu --mtime=@0 --owner=0 --group=0 --numeric-owner "$@"; }
# blob FILE TYPE: files it away under its digest and prints the descriptor that leads to it.
blob() {
    local digest size
    digest=$(sha256 "$1")
    size=$(stat -c %s "$1")
    mv "$1" "$blobs/$digest"
    jq -nc --arg type "application/vnd.oci.image.$2" --arg digest "sha256:$digest" --argjson size "$size" \
        '{mediaType: $type, digest: $digest, size: $size}'
}

plain_tar --directory "$dir" --file "$work/layer.tar" .
layer_id=$(sha256 "$work/layer.tar")
gzip --no-name "$work/layer.tar"
layer=$(blob "$work/layer.tar.gz" layer.v1.tar+gzip)

jq -nc --argjson platform "$platform" --argjson config "$config" --arg id "sha256:$layer_id" \
    '$platform + {config: $config, rootfs: {type: "layers", diff_ids: [$id]}}' >"$work/config.json"
config=$(blob "$work/config.json" config.v1+json)

jq -nc --argjson config "$config" --argjson layer "$layer" \
    '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", config: $config, layers: [$layer]}' \
    >"$work/manifest.json"
manifest=$(blob "$work/manifest.json" manifest.v1+json)

cd "$work/archive"
jq -nc '{imageLayoutVersion: "1.0.0"}' >oci-layout
jq -nc --argjson manifest "$manifest" --argjson platform "$platform" --arg name "$name" \
    '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [$manifest + {platform: $platform,
      annotations: {"io.containerd.image.name": $name, "org.opencontainers.image.ref.name": ($name | split(":") | last)}}]}' >index.json
# The list that older versions of Docker read instead.
jq -nc --argjson config "$config" --argjson layer "$layer" --arg name "$name" \
    'def place: "blobs/" + (.digest | sub(":"; "/"));
     [{Config: ($config | place), RepoTags: [$name], Layers: [$layer | place]}]' >manifest.json
plain_tar --file ../image.tar oci-layout index.json manifest.json blobs
cd "$called_from"
mv "$work/image.tar" "$out"
say "$name $(jq -r .digest <<<"$manifest")"
