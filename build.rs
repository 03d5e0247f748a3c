//! How the shipped program is linked.
//!
//! Answers for: compact relative relocations. A static position-independent program relocates itself when it starts and reads its
//! whole relocation table for that: one entry of 24 bytes for each address makes near 1 MiB of resident memory on every node, the
//! compact form (ELF's `DT_RELR`, known to musl since 1.2.4 and to binutils since 2.38) about a fortieth of it. A linker that does not
//! know it says so and goes on.

#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script by its environment alone"
)]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let env = std::env::var("CARGO_CFG_TARGET_ENV");
    if env.is_ok_and(|env| env == "musl") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
