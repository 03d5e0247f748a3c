//! Why something failed, in few words.

use std::error::Error;

/// The cause at the bottom, which is the one that says something: "Connection refused" rather than "client error (Connect)".
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
