//! Descriptions that EC2 gives in pages: reading one reply, and asking on until the last.

use super::convert::Unreadable;
use crate::{Ec2Error, Page};

/// One reply's items, converted, and its token. An empty token ends the description as a missing one does.
pub(super) fn page<S, T>(
    items: impl IntoIterator<Item = S>,
    next_token: Option<String>,
    convert: impl FnMut(S) -> Result<T, Unreadable>,
) -> Result<Page<T>, Unreadable> {
    Ok(Page {
        items: items.into_iter().map(convert).collect::<Result<_, _>>()?,
        next: next_token.filter(|token| !token.is_empty()),
    })
}

/// The items of all pages. `ask` gets the token of the page it shall ask for: `None` for the first.
pub(super) async fn all<T, F>(ask: impl Fn(Option<String>) -> F) -> Result<Vec<T>, Ec2Error>
where
    F: Future<Output = Result<Page<T>, Ec2Error>>,
{
    let mut items = Vec::new();
    let mut token = None;
    loop {
        let page = ask(token).await?;
        items.extend(page.items);
        token = page.next;
        if token.is_none() {
            return Ok(items);
        }
    }
}
