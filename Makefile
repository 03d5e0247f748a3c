# demo, test and bench set up what they need on Debian or Ubuntu with Rust and Go present.
# Build results live outside the clone ($XDG_CACHE_HOME/ebs-csi), so that a fresh clone starts warm;
# set CARGO_TARGET_DIR to have them elsewhere.

.DEFAULT_GOAL := help
.PHONY: help demo test soak bench lint fmt

help: ## Show this list.
	@sed -nE 's/^([a-z-]+): ## (.*)/make \1\t\2/p' Makefile

demo: ## Watch a volume's whole life on this machine.
	@scripts/demo.sh

test: ## Run every check and test.
	@scripts/setup.sh test && scripts/test.sh

soak: ## Run 200 random histories of the controller under faults.
	@EBS_CSI_HISTORIES=200 scripts/cargo.sh test --workspace --locked --test it histories -- --nocapture

bench: ## Build for release and print the figures beside the peer's.
	@scripts/setup.sh bench && scripts/bench.sh

lint: ## Check format and lints alone.
	@scripts/cargo.sh fmt --all --check && scripts/cargo.sh clippy --workspace --all-targets --locked -- -D warnings

fmt: ## Format the code.
	@scripts/cargo.sh fmt --all
