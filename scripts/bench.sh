#!/usr/bin/env bash
# Builds the driver as it is shipped (static, optimized, stripped) and prints what it costs on this
# machine beside what the Go driver costs. Arguments go to `ebs-lab bench`.

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

musl=$(uname -m)-unknown-linux-musl
cargo build --release --locked --target "$musl" --package ebs-csi
build_programs
exec "$bin/ebs-lab" bench --driver "$CARGO_TARGET_DIR/$musl/release/ebs-csi" "$@"
