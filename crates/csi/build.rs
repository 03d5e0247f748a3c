//! Compiles proto/csi.proto to Rust with a pure Rust compiler: no protoc is needed anywhere.
//!
//! Messages that carry credentials get a `Debug` that leaves them out, so that no log line and no
//! error message can show them, whoever writes it.

use std::{env, fmt::Write as _, fs, path::PathBuf};

use protox::prost_reflect::{FieldDescriptor, MessageDescriptor};

type BoxError = Box<dyn std::error::Error>;

fn main() -> Result<(), BoxError> {
    let proto = PathBuf::from("../../proto");
    println!("cargo::rerun-if-changed={}", proto.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR for build scripts")?);

    let mut compiler = protox::Compiler::new([&proto])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_file(proto.join("csi.proto"))?;
    fs::write(out.join("csi.bin"), compiler.encode_file_descriptor_set())?;

    let pool = compiler.descriptor_pool();
    let csi_secret = pool
        .get_extension_by_name("csi.v1.csi_secret")
        .ok_or("csi.proto declares the option csi_secret")?;
    let is_secret = |field: &FieldDescriptor| field.options().has_extension(&csi_secret);
    let secretive: Vec<MessageDescriptor> = pool
        .all_messages()
        .filter(|message| message.fields().any(|field| is_secret(&field)))
        .collect();

    let mut debug = String::new();
    for message in &secretive {
        write_debug(&mut debug, message, is_secret)?;
    }
    fs::write(out.join("debug.rs"), debug)?;

    tonic_prost_build::configure()
        // A call that is not offered answers UNIMPLEMENTED, as the contract asks.
        .generate_default_stubs(true)
        .skip_debug(
            secretive
                .iter()
                .map(|message| format!(".{}", message.full_name())),
        )
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// Writes `impl Debug` for `message`, with its secret fields shown as `<redacted>`.
fn write_debug(
    code: &mut String,
    message: &MessageDescriptor,
    is_secret: impl Fn(&FieldDescriptor) -> bool,
) -> std::fmt::Result {
    let name = message.name();
    writeln!(code, "impl ::core::fmt::Debug for {name} {{")?;
    writeln!(
        code,
        "    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{"
    )?;
    writeln!(code, "        f.debug_struct({name:?})")?;
    for field in message.fields() {
        let field_name = field.name();
        let value = if is_secret(&field) {
            "&::core::format_args!(\"<redacted>\")".to_owned()
        } else {
            format!("&self.{field_name}")
        };
        writeln!(code, "            .field({field_name:?}, {value})")?;
    }
    writeln!(code, "            .finish()\n    }}\n}}")
}
