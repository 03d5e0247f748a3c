//! Lists of objects, page by page, so that a large cluster takes no more memory than a small one.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::KubernetesError;
use super::error::Rule;
use super::session::{Ask, Content, Session};

/// So many objects at a time: most have a few KiB.
const PAGE: u32 = 100;

/// One page of a list.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Page<T> {
    #[serde(default)]
    pub(super) metadata: PageMetadata,
    #[serde(default = "Vec::new")]
    pub(super) items: Vec<T>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct PageMetadata {
    /// What asks for the next page; empty on the last one.
    #[serde(rename = "continue", default)]
    pub(super) next: String,
    /// The moment that the list shows, as the API server counts it.
    #[serde(rename = "resourceVersion", default)]
    pub(super) version: String,
}

impl Session {
    /// The page that `more` asks for, the first one where it is empty, of those objects whose fields are as `selector` says.
    pub(super) async fn page<T: DeserializeOwned>(
        &self,
        rule: Rule,
        selector: &str,
        more: &str,
        content: Content<'_>,
    ) -> Result<Page<T>, KubernetesError> {
        let mut path = format!("{}?limit={PAGE}&continue={}", rule.resource, escaped(more));
        if !selector.is_empty() {
            path.push_str("&fieldSelector=");
            path.push_str(&escaped(selector));
        }
        self.call(Ask {
            rule,
            path,
            name: "",
            content,
        })
        .await
    }
}

/// A text as part of a URL's query.
pub(super) fn escaped(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes()
        .map(|b| match plain(b) {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn the_token_of_a_page_is_sent_as_it_came() {
        assert_eq!(escaped("eyJ2Ijoi-_.~"), "eyJ2Ijoi-_.~");
        assert_eq!(escaped("a+b/c=&d"), "a%2Bb%2Fc%3D%26d");
        assert_eq!(escaped(""), "");
    }
}
