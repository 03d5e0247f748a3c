//! Settings of AWS's own variables, of which an empty one means none.

/// A value, or the empty text that other AWS programs take for "not set", e.g. `AWS_REGION=""`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OrUnset<T>(Option<T>);

impl<T> OrUnset<T> {
    /// Reads a text with `parse`, unless it is empty.
    pub(super) fn parse(
        text: &str,
        parse: impl FnOnce(&str) -> anyhow::Result<T>,
    ) -> anyhow::Result<Self> {
        let given = (!text.is_empty()).then(|| parse(text)).transpose()?;
        Ok(Self(given))
    }

    /// The value, if there is one.
    pub(super) fn given(self) -> Option<T> {
        self.0
    }
}

/// Any text.
pub(super) fn text(text: &str) -> anyhow::Result<OrUnset<String>> {
    OrUnset::parse(text, |text| Ok(text.to_owned()))
}
