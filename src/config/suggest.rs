//! "Did you mean …?": the nearest known name by edit distance.

/// Beyond this many edits a suggestion is a guess.
const FARTHEST: usize = 3;

/// A ready sentence when some candidate is near enough.
pub(crate) fn did_you_mean<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(given, candidates).map(|near| format!("did you mean `{near}`?"))
}

/// The candidate that is fewest edits away, the first of several, at most a third of the text's length (but at least
/// one edit) away. Letter case is no edit.
pub(crate) fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given: Vec<char> = given.to_lowercase().chars().collect();
    let limit = (given.len() / 3).clamp(1, FARTHEST);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let letters: Vec<char> = candidate.to_lowercase().chars().collect();
        if letters.len().abs_diff(given.len()) > limit {
            continue;
        }
        let edits = distance(&given, &letters);
        if edits <= limit && best.is_none_or(|(least, _)| edits < least) {
            best = Some((edits, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut rows = vec![0; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let above = rows[(i - 1) * width + j] + 1;
                let left = rows[i * width + j - 1] + 1;
                let replaced = rows[(i - 1) * width + j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let swapped = if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    rows[(i - 2) * width + j - 2] + 1
                } else {
                    usize::MAX
                };
                above.min(left).min(replaced).min(swapped)
            };
        }
    }
    rows[rows.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_wins_and_far_ones_are_not_offered() {
        let names = ["frankfurt", "paris", "virginia"];
        assert_eq!(nearest("frankfrut", names), Some("frankfurt"));
        assert_eq!(nearest("Paris", names), Some("paris"));
        assert_eq!(nearest("pariss", names), Some("paris"));
        assert_eq!(nearest("tokyo", names), None);
        assert_eq!(nearest("a", ["b"]), Some("b"));
    }
}
