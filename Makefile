# demo, test and bench set up what they need on Debian or Ubuntu with Rust and Go present.
# Build results live outside the clone ($XDG_CACHE_HOME/ebs-csi), so that a fresh clone starts warm;
# set CARGO_TARGET_DIR to have them elsewhere.

.DEFAULT_GOAL := help
.PHONY: help demo test e2e e2e-full test-nvme cluster cluster-down image image-lab chart page-image soak bench bench-peer simulation lint fmt

help: ## Show this list.
	@sed -nE 's/^([a-z0-9-]+): ## (.*)/make \1\t\2/p' Makefile

demo: ## Watch a volume's whole life on this machine.
	@scripts/demo.sh

test: ## Run every check and test.
	@scripts/setup.sh test && scripts/test.sh

e2e: ## Play the users' scenarios on a Kubernetes cluster made for it.
	@scripts/setup.sh cluster && scripts/e2e.sh

e2e-full: ## Play all of them, those too that take long or measure.
	@scripts/setup.sh cluster && scripts/e2e.sh --full

test-nvme: ## Run the node on real NVMe devices, in a virtual machine.
	@scripts/setup.sh nvme && scripts/nvme.sh

cluster: ## Start a Kubernetes cluster with the driver on this machine.
	@scripts/setup.sh cluster && scripts/cluster.sh

cluster-down: ## End that cluster.
	@cluster/down.sh

image: ## Build the container image, as an OCI archive.
	@scripts/setup.sh image && image/build.sh

image-lab: ## Build the emulator's image, for the chart on a laptop.
	@scripts/setup.sh image && image/lab.sh

chart: ## Render from the chart what is made of it.
	@scripts/setup.sh cluster && scripts/chart.sh render

page-image: ## Take the picture of the emulator's page anew.
	@mkdir -p docs/images && EBS_CSI_PAGE_IMAGE=$(CURDIR)/docs/images/lab.png scripts/cargo.sh test --workspace --locked --test page clicks_from

soak: ## Run 10,000 random lives and 200 histories of the controller under faults, and the node on NVMe at length.
	@scripts/setup.sh nvme && scripts/nvme.sh soak
	@scripts/setup.sh bench && scripts/bench.sh --long
	@EBS_CSI_LIVES=10000 scripts/cargo.sh test --workspace --locked --bins lives
	@EBS_CSI_HISTORIES=200 scripts/cargo.sh test --workspace --locked --test it histories -- --nocapture
	@EBS_CSI_CRASH_POINTS=all scripts/cargo.sh test --workspace --locked --test root -- --nocapture crashes faults

bench: ## Build for release and print the figures beside the peer's.
	@scripts/setup.sh bench && scripts/bench.sh

bench-peer: ## Measure another driver's controller and this one with the same load: PEER=PROGRAM.
	@scripts/setup.sh bench && scripts/peer.sh "$(PEER)"

simulation: ## Run the driver in paused time among 100,000 volumes and print what comes of it.
	@scripts/cargo.sh test --workspace --locked --bins simulation::large -- --ignored --nocapture

lint: ## Check format and lints alone.
	@scripts/cargo.sh fmt --all --check && scripts/cargo.sh clippy --workspace --all-targets --test e2e --test leftovers --test nvme --locked -- -D warnings

fmt: ## Format the code.
	@scripts/cargo.sh fmt --all
