//! Damaged files: whatever stands in them, a load ends with findings that can be shown.

use std::collections::HashMap;

use super::*;

/// Numerical Recipes' generator: enough to damage text, and the same on every machine.
struct Draws(u32);

impl Draws {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % limit.max(1)
    }
}

/// Cuts, repeats or replaces a piece of the text.
fn damage(text: &str, draws: &mut Draws) -> String {
    const PIECES: [&str; 16] = [
        "\"",
        "[",
        "]",
        "{ }",
        "=",
        "\n",
        "é",
        "-1",
        "0",
        "\\",
        ".",
        "default",
        "#",
        "route",
        "\u{0}",
        "[[routes.web]]\n",
    ];
    let letters: Vec<char> = text.chars().collect();
    let from = draws.below(letters.len());
    let to = (from + draws.below(12)).min(letters.len());
    let piece: String = match draws.below(3) {
        0 => String::new(),
        1 => letters[from..to].iter().collect::<String>().repeat(2),
        _ => PIECES[draws.below(PIECES.len())].to_owned(),
    };
    letters[..from].iter().chain(piece.chars().collect::<Vec<_>>().iter()).chain(&letters[to..]).collect()
}

#[test]
fn a_damaged_file_is_told_and_never_ends_the_load() {
    let directory = tempfile::tempdir().unwrap();
    let server = directory.path().join("rhumb.toml");
    let zones = directory.path().join("zones");
    std::fs::create_dir(&zones).unwrap();
    std::fs::write(&server, "zones = \"zones\"\n").unwrap();
    let mut draws = Draws(1);
    let (mut faulty, mut sound) = (0, 0);
    for _ in 0..600 {
        let mut text = EXAMPLE.to_owned();
        for _ in 0..=draws.below(2) {
            text = damage(&text, &mut draws);
        }
        let kept = HashMap::from([(zones.join("example.com.toml"), text)]);
        let loaded = load_keeping(Some(&server), &Overrides::default(), &kept);
        let errors = loaded.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        assert_eq!(loaded.model.is_none(), errors);
        let shown = render_all(&loaded.diagnostics, &loaded.sources, true);
        assert_eq!(shown.is_empty(), loaded.diagnostics.is_empty());
        assert_eq!(
            render_json(&loaded.diagnostics, &loaded.sources).as_array().unwrap().len(),
            loaded.diagnostics.len()
        );
        if errors { faulty += 1 } else { sound += 1 }
    }
    assert!(faulty > 100 && sound > 20, "{faulty} {sound}");
}
