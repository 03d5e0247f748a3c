#!/usr/bin/env bash
# Lists the parts of the driver's image, as CycloneDX 1.6 in JSON: the crates that the driver is linked of, with their checksums,
# and the Debian packages that its programs are from. The same sources and packages make the same list.
#
# usage: image/sbom.sh ROOTFS     the image's files, as image/rootfs.sh gathers them

rootfs=$(realpath "${1:?usage: image/sbom.sh ROOTFS}")
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"

# Names, versions and checksums of Cargo.lock, one object a line; crates of the project itself have no checksum.
locked() {
    awk -F ' = ' '
        function told() { if (name != "") printf "{\"key\": %s, \"checksum\": %s}\n", "\"" name "@" version "\"", sum == "" ? "null" : "\"" sum "\""; name = sum = "" }
        /^\[\[package\]\]$/ { told() }
        { gsub(/"/, "", $2) }
        $1 == "name" { name = $2 }
        $1 == "version" { version = $2 }
        $1 == "checksum" { sum = $2 }
        END { told() }' Cargo.lock
}

# The crates that are linked into the driver, found from it by its dependencies; what only builds and tests is left out.
crates() {
    # shellcheck disable=SC2016 # what stands in single quotes are jq's variables
    cargo metadata --format-version 1 --locked --offline --filter-platform "$musl" | jq --slurpfile locked <(locked) '
        (.packages | map({ key: .id, value: . }) | from_entries) as $packages
        | (.packages | map(select(any(.targets[]; .kind | index("proc-macro"))) | { key: .id, value: true }) | from_entries) as $macros
        | (.resolve.nodes | map({ key: .id, value: [.deps[] | select(any(.dep_kinds[]; .kind == null)) | .pkg | select($macros[.] | not)] })
            | from_entries) as $links
        | ($locked | map({ key, value: .checksum }) | from_entries) as $checksums
        | def reached: . as $known | ($known + [$known[] | $links[.][]] | unique) | if length == ($known | length) then . else reached end;
        [.packages[] | select(.name == "ebs-csi") | .id] | reached | map($packages[.])
        | map({ type: "library", name, version, purl: "pkg:cargo/\(.name)@\(.version)",
                "bom-ref": "pkg:cargo/\(.name)@\(.version)" }
              + (if .license then { licenses: [{ expression: (.license | gsub(" */ *"; " OR ")) }] } else {} end)
              + ($checksums["\(.name)@\(.version)"] | if . then { hashes: [{ alg: "SHA-256", content: . }] } else {} end))
        | sort_by(.name, .version)'
}

# The Debian packages, as the image itself names them.
packages() {
    local distribution
    distribution=$(sed -nE 's/^ID=//p' "$rootfs/etc/os-release")-$(sed -nE 's/^VERSION_ID="?([^"]*)"?$/\1/p' "$rootfs/etc/os-release")
    # shellcheck disable=SC2016 # what stands in single quotes are jq's variables
    cat "$rootfs"/var/lib/dpkg/status.d/* | jq --raw-input --null-input --arg distribution "$distribution" '
        reduce (inputs | capture("^(?<key>Package|Version|Architecture): (?<value>.*)$")) as $line
            ([]; if $line.key == "Package" then . + [{ Package: $line.value }] else .[-1][$line.key] = $line.value end)
        | map("pkg:deb/debian/\(.Package)@\(.Version | @uri)?arch=\(.Architecture)&distro=\($distribution)" as $purl
            | { type: "library", name: .Package, version: .Version, purl: $purl, "bom-ref": $purl })
        | sort_by(.name)'
}

version=$(sed -nE '/^\[workspace\.package\]/,/^\[/s/^version = "(.*)"/\1/p' Cargo.toml)
# shellcheck disable=SC2016 # what stands in single quotes are jq's variables
jq --null-input --arg version "$version" --slurpfile crates <(crates) --slurpfile packages <(packages) '
    { bomFormat: "CycloneDX", specVersion: "1.6", version: 1,
      metadata: { component: { type: "container", name: "ebs-csi", version: $version, "bom-ref": "ebs-csi" } },
      components: ($crates[0] + $packages[0]) }'
