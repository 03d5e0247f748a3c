#!/usr/bin/env bash
# Builds the driver as it is shipped and prints what it costs on this
# machine beside what the Go driver costs. Arguments go to `ebs-lab bench`.

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

build_shipped
build_programs
exec "$bin/ebs-lab" bench --driver "$shipped" "$@"
