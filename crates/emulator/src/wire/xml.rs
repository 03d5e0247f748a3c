//! Writing XML: nested elements with text, which is all that EC2's replies consist of.

use std::fmt::{self, Display, Write};

/// A document being written.
#[derive(Debug)]
pub(super) struct Xml {
    text: String,
}

impl Xml {
    /// A document with nothing but its declaration.
    pub(super) fn document() -> Self {
        Self {
            text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(),
        }
    }

    /// The document.
    pub(super) fn finish(self) -> String {
        self.text
    }

    /// An element with elements in it.
    pub(super) fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.open(name, "");
        content(self);
        self.close(name);
    }

    /// The same with an attribute, given as it is written.
    pub(super) fn element_with(
        &mut self,
        name: &str,
        attribute: &str,
        content: impl FnOnce(&mut Self),
    ) {
        self.open(name, &format!(" {attribute}"));
        content(self);
        self.close(name);
    }

    /// An element with text in it.
    pub(super) fn text(&mut self, name: &str, value: impl Display) {
        self.open(name, "");
        // Writing to a string doesn't fail.
        let _ = write!(Escaped(&mut self.text), "{value}");
        self.close(name);
    }

    /// The same, if there is a value.
    pub(super) fn optional<T: Display>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// A list: an element with an `item` for each.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut content: impl FnMut(&mut Self, T),
    ) {
        self.element(name, |xml| {
            for item in items {
                xml.element("item", |xml| content(xml, item));
            }
        });
    }

    /// A resource's tags.
    pub(super) fn tags(&mut self, tags: &ebs_types::Tags) {
        self.list("tagSet", tags, |xml, (key, value)| {
            xml.text("key", key);
            xml.text("value", value);
        });
    }

    fn open(&mut self, name: &str, attributes: &str) {
        self.text.push('<');
        self.text.push_str(name);
        self.text.push_str(attributes);
        self.text.push('>');
    }

    fn close(&mut self, name: &str) {
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }
}

/// Text as it is written in an element (XML 1.0, section 2.4); quotation marks are escaped too.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(['<', '>', '&', '\'', '"']) {
            let Some((last, special)) = part.char_indices().next_back().and_then(|(at, c)| {
                let entity = match c {
                    '<' => "&lt;",
                    '>' => "&gt;",
                    '&' => "&amp;",
                    '\'' => "&apos;",
                    '"' => "&quot;",
                    _ => return None,
                };
                Some((at, entity))
            }) else {
                self.0.push_str(part);
                continue;
            };
            self.0.push_str(part.get(..last).unwrap_or_default());
            self.0.push_str(special);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_text_is_escaped() {
        let mut xml = Xml::document();
        xml.text("value", "<a> & 'b' \"ü\" c");
        let text = xml.finish();
        let expected = "<value>&lt;a&gt; &amp; &apos;b&apos; &quot;ü&quot; c</value>";
        assert!(text.ends_with(expected), "{text}");
    }
}
