//! The paths at which the container orchestrator wants volumes: absolute, without `.` and `..`.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use crate::status::InvalidRequest;

/// An absolute path below the root, without `.`, `..`, doubled slashes or one at its end, so that equal paths are equal texts
/// and a path cannot lead out of where it seems to lie. Symbolic links are the kubelet's affair: it makes the directories.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CleanPath(PathBuf);

impl CleanPath {
    /// Reads the field called `field`.
    pub(crate) fn parse(field: &'static str, text: &str) -> Result<Self, InvalidRequest> {
        if text.is_empty() {
            return Err(InvalidRequest::Missing {
                field,
                hint: "give an absolute path",
            });
        }
        let refused = |allowed| Err(InvalidRequest::value(field, text, allowed));
        if text.contains('\0') {
            return refused("a path holds no NUL character");
        }
        if !text.starts_with('/') {
            return refused("a path must be absolute");
        }
        if text.split('/').any(|part| part == "." || part == "..") {
            return refused("a path must not hold . or ..");
        }
        let clean: PathBuf = Path::new(text).components().collect();
        if clean.components().all(|part| part == Component::RootDir) {
            return refused("the root directory is no place for a volume");
        }
        Ok(Self(clean))
    }

    /// The path.
    pub(crate) fn as_path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for CleanPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn parse(text: &str) -> Result<CleanPath, InvalidRequest> {
        CleanPath::parse("target_path", text)
    }

    #[rstest]
    #[case("/a", "/a")]
    #[case("//a///b/", "/a/b")]
    #[case("/var/lib/kubelet/plugins/..data", "/var/lib/kubelet/plugins/..data")]
    fn clean_paths_are_read(#[case] text: &str, #[case] path: &str) {
        assert_eq!(parse(text).unwrap().as_path(), Path::new(path));
    }

    #[rstest]
    #[case("", "missing")]
    #[case("a/b", "absolute")]
    #[case("./a", "absolute")]
    #[case("/a/../b", "..")]
    #[case("/a/..", "..")]
    #[case("/a/./b", ". or ..")]
    #[case("/", "root directory")]
    #[case("///", "root directory")]
    #[case("/a\0b", "NUL")]
    fn other_paths_are_refused(#[case] text: &str, #[case] reason: &str) {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with("target_path"), "{error}");
        assert!(error.contains(reason), "{error}");
    }

    proptest! {
        #[test]
        fn a_clean_path_stays_below_what_it_names(text in "[a-c./]{0,12}") {
            if let Ok(path) = parse(&text) {
                prop_assert!(path.as_path().is_absolute());
                prop_assert!(path.as_path().components().skip(1).all(|part| matches!(part, Component::Normal(_))));
                prop_assert_eq!(parse(&path.to_string()).unwrap(), path);
            }
        }
    }
}
