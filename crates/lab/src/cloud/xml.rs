//! EC2's XML replies as a tree.
//!
//! Answers for: elements, their text and their `item` lists; attributes and namespaces don't matter here.
//! Doesn't answer for: what the elements mean.

use anyhow::{Context as _, Result, bail};
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};

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
                    let mut closed = open.pop().context("an end without a start")?;
                    closed.text = closed.text.trim().to_owned();
                    add(&mut open, closed)?;
                }
                Event::Text(text) => say(&mut open, &text),
                Event::GeneralRef(escape) => {
                    let letter = letter(&escape)?;
                    say(&mut open, &letter);
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

    /// The text of a child that need not be there or may be empty.
    pub(super) fn optional(&self, child: &str) -> Option<&str> {
        self.child(child)
            .map(|element| element.text.as_str())
            .filter(|text| !text.is_empty())
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

/// The letter that an escape stands for: `&amp;`, `&#38;`.
fn letter(escape: &BytesRef<'_>) -> Result<String> {
    if let Some(letter) = escape.resolve_char_ref()? {
        return Ok(letter.to_string());
    }
    let letter = resolve_xml_entity(escape);
    Ok(letter.context("an unknown escape")?.to_owned())
}

fn say(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
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
        let first = reply.items("volumeSet").next().unwrap();
        assert_eq!(first.optional("volumeId"), Some("vol-1"));
        assert_eq!(first.optional("attachmentSet"), None);
        let escaped = Element::parse(b"<a><b> c &amp; d&#33; </b></a>").unwrap();
        assert_eq!(escaped.text("b").unwrap(), "c & d!");
        assert!(reply.text("nothing").is_err());
        assert!(Element::parse(b"<a><b></b>").is_err());
    }
}
