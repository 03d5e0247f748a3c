//! Form encoding (WHATWG URL standard, "application/x-www-form-urlencoded"), read strictly.
//!
//! Answers for: refusing text that cannot have been meant, which lenient readers turn into replacement characters: a volume
//! would then get a tag that nobody asked for. Doesn't answer for: what the parameters are.

use std::fmt;

/// Text that is no form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// A `%` without two hexadecimal digits behind it.
    Escape(String),
    /// Bytes that are no UTF-8.
    NotText(String),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Escape(part) => write!(
                f,
                "{part:?} has a '%' that two hexadecimal digits don't follow"
            ),
            Self::NotText(part) => write!(f, "{part:?} is not UTF-8 once it is decoded"),
        }
    }
}

/// The names and values of a form, in its order.
pub(crate) fn pairs(form: &[u8]) -> Result<Vec<(String, String)>, Malformed> {
    form.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let mut half = || decode(halves.next().unwrap_or_default());
            Ok((half()?, half()?))
        })
        .collect()
}

fn decode(part: &[u8]) -> Result<String, Malformed> {
    let shown = || String::from_utf8_lossy(part).into_owned();
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = (digit(rest.next()), digit(rest.next()));
                let (Some(high), Some(low)) = digits else {
                    return Err(Malformed::Escape(shown()));
                };
                high << 4 | low
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| Malformed::NotText(shown()))
}

fn digit(byte: Option<&u8>) -> Option<u8> {
    let value = char::from(*byte?).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read() {
        let read = pairs(b"&a=b+c&%26k=%E2%82%ac%3d=&empty=&bare").unwrap();
        let read: Vec<_> = read.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let expected = [("a", "b c"), ("&k", "€=="), ("empty", ""), ("bare", "")];
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for bad in ["a=%", "a=%4", "a=%zz", "a=%+1", "%=a"] {
            let error = pairs(bad.as_bytes()).unwrap_err();
            assert!(matches!(error, Malformed::Escape(_)), "{bad}: {error}");
        }
        for bad in [b"a=%ff".as_slice(), b"a=\xff", b"%c3=a"] {
            let error = pairs(bad).unwrap_err();
            assert!(matches!(error, Malformed::NotText(_)), "{bad:?}: {error}");
        }
    }
}
