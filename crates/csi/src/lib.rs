//! The Container Storage Interface, v1.13.0, as Rust types and services.
//!
//! Everything in [`v1`] is generated from `proto/csi.proto`; nothing here knows about EBS. What a
//! field means to this driver is decided where requests are parsed, in the driver itself.

/// Messages, clients and servers of the protobuf package `csi.v1`. Fields that carry credentials
/// are left out of `Debug`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated code: its shape is prost's and tonic's choice"
)]
pub mod v1 {
    tonic::include_proto!("csi.v1");
    include!(concat!(env!("OUT_DIR"), "/debug.rs"));
}

/// The compiled `csi.proto` with its imports, as an encoded `FileDescriptorSet`: custom options
/// (`csi_secret`, `alpha_*`) included.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("csi");
