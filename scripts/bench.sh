#!/usr/bin/env bash
# Builds the driver as it is shipped and prints what it costs on this
# machine beside what the Go driver costs. Arguments go to `ebs-lab bench`.

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

build_shipped
# The caller's own time counts too, where calls take a tenth of a millisecond.
cargo build --release --locked --package lab
exec "$CARGO_TARGET_DIR/release/ebs-lab" bench --driver "$shipped" "$@"
