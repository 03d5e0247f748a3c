# shellcheck shell=bash
# Sourced by scripts that check one thing after the other: check, and finish, which counts.

passed=0 failed=0 skipped=0

# check SENTENCE ACTUAL EXPECTED
check() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
        say "ok      $1"
    else
        failed=$((failed + 1))
        say "FAILED  $1: got '$2', expected '$3'"
    fi
}

# Ends with what scripts/test.sh reads; fails if a check did.
finish() {
    say "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
}
