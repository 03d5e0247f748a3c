//! Texts with wildcards: `*` for any characters, `?` for one.

/// Whether the text is what the pattern says.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // By how much of the text each beginning of the pattern can have taken.
    let mut taken = vec![false; text.len() + 1];
    if let Some(nothing) = taken.first_mut() {
        *nothing = true;
    }
    for wanted in pattern {
        let mut next = vec![false; taken.len()];
        let mut any = false;
        for (index, slot) in next.iter_mut().enumerate() {
            let here = taken.get(index).copied().unwrap_or_default();
            any |= here;
            let before = index.checked_sub(1);
            let step = before.is_some_and(|before| {
                taken.get(before).copied().unwrap_or_default()
                    && (wanted == '?' || text.get(before) == Some(&wanted))
            });
            *slot = if wanted == '*' { any } else { step };
        }
        taken = next;
    }
    taken.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", "", true)]
    #[case("*", "", true)]
    #[case("*", "anything", true)]
    #[case("a*c", "abbc", true)]
    #[case("a*c", "abcd", false)]
    #[case("a?c", "abc", true)]
    #[case("a?c", "ac", false)]
    #[case(
        "arn:aws:ec2:*:*:volume/*",
        "arn:aws:ec2:eu-central-1:000000000000:volume/vol-1",
        true
    )]
    #[case(
        "arn:aws:ec2:*:*:snapshot/*",
        "arn:aws:ec2:eu-central-1::snapshot/snap-1",
        true
    )]
    #[case(
        "arn:aws:ec2:*:*:volume/*",
        "arn:aws:ec2:eu-central-1::snapshot/snap-1",
        false
    )]
    fn wildcards_stand_for_characters(
        #[case] pattern: &str,
        #[case] text: &str,
        #[case] does: bool,
    ) {
        assert_eq!(matches(pattern, text), does);
    }
}
