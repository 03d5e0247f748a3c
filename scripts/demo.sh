#!/usr/bin/env bash
# Builds the programs and plays the demo; arguments go to `ebs-lab demo`.

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

scripts/setup.sh demo
build_programs
exec "$bin/ebs-lab" demo "$@"
