//! Writing XML: nested elements with text, which is all that EC2's replies consist of.

use std::fmt::Display;

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
        self.text
            .push_str(&quick_xml::escape::escape(value.to_string()));
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
