#!/usr/bin/env bash
# cargo with this project's directories.

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
exec cargo "$@"
