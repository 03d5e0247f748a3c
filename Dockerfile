# syntax=docker/dockerfile:1
# The driver's image, for the platform that it is built on or asked for (amd64, arm64):
#
#     docker build --tag ebs-csi:0.1.0 .
#     docker buildx build --platform linux/amd64,linux/arm64 --tag REGISTRY/ebs-csi:0.1.0 --push .
#
# `make image` makes the same without a container engine. image/check.sh holds the versions here against
# those of the project.

ARG RUST=1.95.0
# Debian 12: file systems made by its mkfs are mounted by every kernel since 5.10. Newer ones turn on what
# only newer kernels know, and a volume may move to a node with an older one.
ARG DEBIAN=bookworm

# --- The driver: one static binary ---------------------------------------------------------------
FROM rust:${RUST}-slim-${DEBIAN} AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends musl-tools \
    && rm -rf /var/lib/apt/lists/*
RUN rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY data data
COPY proto proto
COPY src src
COPY tests tests
ARG TARGETARCH
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,id=target-$TARGETARCH \
    musl="$(uname -m)-unknown-linux-musl" \
    && cargo rustc --release --locked --target "$musl" --package ebs-csi --bin ebs-csi -- -C relocation-model=static \
    && cp "target/$musl/release/ebs-csi" /ebs-csi

# --- The emulated EC2 of the chart's emulator.enabled: docker build --target lab --tag ebs-lab:0.1.0 . ---
FROM build AS build-lab
ARG TARGETARCH
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,id=target-$TARGETARCH \
    musl="$(uname -m)-unknown-linux-musl" \
    && cargo build --release --locked --target "$musl" --package lab \
    && cp "target/$musl/release/ebs-lab" /ebs-lab

FROM scratch AS lab
LABEL org.opencontainers.image.title="ebs-lab" \
    org.opencontainers.image.description="An emulated EC2 for trying ebs-csi without AWS" \
    org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build-lab /ebs-lab /usr/bin/ebs-lab
ENTRYPOINT ["/usr/bin/ebs-lab"]

# --- The programs that the node plugin runs, with their libraries --------------------------------
FROM debian:${DEBIAN}-slim AS tools
RUN apt-get update \
    && apt-get install --yes --no-install-recommends btrfs-progs ca-certificates e2fsprogs util-linux xfsprogs \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY LICENSE ./
COPY scripts/common.sh scripts/
COPY image/collect.sh image/rootfs.sh image/
RUN image/rootfs.sh /image

# --- The image: these and nothing else -----------------------------------------------------------
FROM scratch
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="ebs-csi" \
    org.opencontainers.image.description="CSI driver for Amazon EBS" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin
COPY --from=tools /image/ /
COPY --from=build /ebs-csi /usr/bin/ebs-csi
ENTRYPOINT ["/usr/bin/ebs-csi"]
