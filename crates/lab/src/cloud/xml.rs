//! EC2's XML replies as a tree.
//!
//! Answers for: elements, their text and their `item` lists; attributes, namespaces and escapes don't matter here.
//! Doesn't answer for: what the elements mean.

use anyhow::{Context as _, Result, bail};
use quick_xml::Reader;
use quick_xml::events::Event;

/// An element.
#[derive(Debug, Default)]
pub(super) struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// Reads a document: its root element.
    pub(super) fn parse(document: &[u8]) -> Result<Self> {
        let mut reader = Reader::from_reader(document);
        // The bottom of the stack is the document, whose only child is the root.
        let mut open = vec![Self::default()];
        let mut buffer = Vec::new();
        loop {
            match reader.read_event_into(&mut buffer)? {
                Event::Start(start) => open.push(Self::named(start.local_name().as_ref())),
                Event::Empty(start) => add(&mut open, Self::named(start.local_name().as_ref()))?,
                Event::End(_) => {
                    let closed = open.pop().context("an end without a start")?;
                    add(&mut open, closed)?;
                }
                Event::Text(text) => {
                    if let Some(element) = open.last_mut() {
                        element.text.push_str(text.trim());
                    }
                }
                Event::Eof => break,
                _ => {}
            }
            buffer.clear();
        }
        let document = open.pop().context("an end without a start")?;
        if !open.is_empty() {
            bail!("the document ends inside of an element");
        }
        document
            .children
            .into_iter()
            .next()
            .context("the document is empty")
    }

    /// The text of a child.
    pub(super) fn text(&self, child: &str) -> Result<&str> {
        self.child(child)
            .map(|element| element.text.as_str())
            .with_context(|| format!("<{}> has no <{child}>", self.name))
    }

    /// The items of a list; a list that is absent is empty.
    pub(super) fn items(&self, list: &str) -> impl Iterator<Item = &Self> {
        self.child(list)
            .into_iter()
            .flat_map(|list| &list.children)
            .filter(|element| element.name == "item")
    }

    fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|element| element.name == name)
    }

    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}

fn add(open: &mut [Element], child: Element) -> Result<()> {
    open.last_mut()
        .context("an end without a start")?
        .children
        .push(child);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_items_are_found_by_name() {
        let reply = Element::parse(
            br#"<?xml version="1.0" encoding="UTF-8"?>
            <DescribeVolumesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
              <volumeSet><item><volumeId>vol-1</volumeId><attachmentSet/></item><item><volumeId>vol-2</volumeId></item></volumeSet>
            </DescribeVolumesResponse>"#,
        )
        .unwrap();
        let ids: Vec<&str> = reply
            .items("volumeSet")
            .map(|item| item.text("volumeId").unwrap())
            .collect();
        assert_eq!(ids, ["vol-1", "vol-2"]);
        assert_eq!(reply.items("snapshotSet").count(), 0);
        assert!(reply.text("nothing").is_err());
        assert!(Element::parse(b"<a><b></b>").is_err());
    }
}
