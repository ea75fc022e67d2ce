//! Findings as a person or a program reads them: in the style of rustc, and as JSON.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::{Diagnostic, Severity, Source};

/// Wide enough for a label beside a long line; the terminal wraps.
const WIDTH: usize = 160;

/// One finding with the lines that it is about, the text underlined; `colour` adds escape sequences for a terminal.
/// `sources` are those of the load. Ends with a line break.
pub fn render(diagnostic: &Diagnostic, sources: &[Source], colour: bool) -> String {
    show(diagnostic, &Sources::new(sources), colour)
}

fn show(diagnostic: &Diagnostic, sources: &Sources<'_>, colour: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(diagnostic.message.as_str()).id(diagnostic.code));
    // Places by file: the finding's own first.
    let own = diagnostic.file.iter().zip(diagnostic.span.clone());
    let mut places: Vec<(&Path, Range<usize>, &str, bool)> =
        own.map(|(file, span)| (file.as_path(), span, diagnostic.label.as_str(), true)).collect();
    places.extend(
        diagnostic.related.iter().map(|(file, span, text)| (file.as_path(), span.clone(), text.as_str(), false)),
    );
    let mut files: Vec<&Path> = Vec::new();
    for (file, ..) in &places {
        if !files.contains(file) {
            files.push(file);
        }
    }
    for file in files {
        let Some(source) = sources.get(file) else { continue };
        let text = source.text.as_str();
        let spans: Vec<_> = places
            .iter()
            .filter(|(other, ..)| *other == file)
            .map(|(_, span, label, own)| (first_line(text, span), *label, *own))
            .collect();
        let from = spans.iter().map(|(span, ..)| span.start).min().unwrap_or(0);
        let to = spans.iter().map(|(span, ..)| span.end).max().unwrap_or(0);
        // Only the lines that matter are handed on: files may hold a hundred thousand.
        let from = text[..from].rfind('\n').map_or(0, |at| at + 1);
        let to = text[to..].find('\n').map_or(text.len(), |at| to + at);
        let line = source.line(from);
        let mut snippet = Snippet::source(&text[from..to]).line_start(line).path(file.to_string_lossy());
        for (span, label, own) in spans {
            let kind = if own { AnnotationKind::Primary } else { AnnotationKind::Context };
            let annotation = kind.span(span.start - from..span.end - from);
            snippet = snippet.annotation(if label.is_empty() { annotation } else { annotation.label(label) });
        }
        group = group.element(snippet);
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut out = renderer.decor_style(DecorStyle::Ascii).term_width(WIDTH).render(&[group]);
    out.push('\n');
    out
}

/// As [`render`], for each finding.
pub fn render_each<'d>(
    diagnostics: impl IntoIterator<Item = &'d Diagnostic>,
    sources: &[Source],
    colour: bool,
) -> Vec<String> {
    let indexed = Sources::new(sources);
    diagnostics.into_iter().map(|diagnostic| show(diagnostic, &indexed, colour)).collect()
}

/// Each finding in one line, for logs: `file:line:column: message (label); help`, with what of it there is.
pub fn render_lines<'d>(diagnostics: impl IntoIterator<Item = &'d Diagnostic>, sources: &[Source]) -> Vec<String> {
    let indexed = Sources::new(sources);
    diagnostics.into_iter().map(|diagnostic| line(diagnostic, &indexed)).collect()
}

fn line(diagnostic: &Diagnostic, sources: &Sources<'_>) -> String {
    let mut said = String::new();
    if let Some(file) = &diagnostic.file {
        said.push_str(&file.display().to_string());
        if let (Some(span), Some(source)) = (&diagnostic.span, sources.get(file)) {
            let (row, column) = source.position(span.start);
            said.push_str(&format!(":{row}:{column}"));
        }
        said.push_str(": ");
    }
    said.push_str(&diagnostic.message);
    if !diagnostic.label.is_empty() {
        said.push_str(&format!(" ({})", diagnostic.label));
    }
    if let Some(help) = &diagnostic.help {
        said.push_str(&format!("; {help}"));
    }
    said
}

/// All findings and a last line that counts them; empty where there are none.
pub fn render_all(diagnostics: &[Diagnostic], sources: &[Source], colour: bool) -> String {
    let mut out = String::new();
    let indexed = Sources::new(sources);
    for diagnostic in diagnostics {
        out.push_str(&show(diagnostic, &indexed, colour));
        out.push('\n');
    }
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    let warnings = diagnostics.len() - errors;
    let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    // Writing to a String cannot fail.
    let _ = match (errors, warnings) {
        (0, 0) => Ok(()),
        (0, _) => writeln!(out, "{}", plural(warnings, "warning")),
        (_, 0) => writeln!(out, "{}", plural(errors, "error")),
        _ => writeln!(out, "{}, {}", plural(errors, "error"), plural(warnings, "warning")),
    };
    out
}

/// One array of objects: severity, code, message, file, line, column, end_line, end_column, label, help, related.
/// Lines and columns count from 1, columns in characters; what there is not is null.
pub fn render_json(diagnostics: &[Diagnostic], sources: &[Source]) -> Value {
    let sources = Sources::new(sources);
    let place = |file: Option<&Path>, span: Option<&Range<usize>>| {
        let found = file.and_then(|file| Some((sources.get(file)?, span?)));
        let start = found.map(|(source, span)| source.position(span.start));
        let end = found.map(|(source, span)| source.position(span.end));
        (start, end)
    };
    let all = diagnostics.iter().map(|diagnostic| {
        let (start, end) = place(diagnostic.file.as_deref(), diagnostic.span.as_ref());
        let related = diagnostic.related.iter().map(|(file, span, text)| {
            let (start, end) = place(Some(file), Some(span));
            json!({
                "file": file, "line": start.map(|p| p.0), "column": start.map(|p| p.1),
                "end_line": end.map(|p| p.0), "end_column": end.map(|p| p.1), "label": text,
            })
        });
        json!({
            "severity": diagnostic.severity.to_string(),
            "code": diagnostic.code,
            "message": diagnostic.message,
            "file": diagnostic.file,
            "line": start.map(|p| p.0),
            "column": start.map(|p| p.1),
            "end_line": end.map(|p| p.0),
            "end_column": end.map(|p| p.1),
            "label": (!diagnostic.label.is_empty()).then_some(&diagnostic.label),
            "help": diagnostic.help,
            "related": related.collect::<Vec<_>>(),
        })
    });
    Value::Array(all.collect())
}

/// Line and column of a byte, both from 1.
pub fn position(text: &str, at: usize) -> (usize, usize) {
    let at = floor(text, at);
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (1 + memchr::memchr_iter(b'\n', before.as_bytes()).count(), 1 + before[line_start..].chars().count())
}

/// A text with the beginnings of its lines, found once however many findings it has.
struct Text {
    text: Arc<String>,
    lines: OnceCell<Vec<usize>>,
}

impl Text {
    fn line(&self, at: usize) -> usize {
        let breaks = || memchr::memchr_iter(b'\n', self.text.as_bytes()).map(|newline| newline + 1);
        let starts = self.lines.get_or_init(|| std::iter::once(0).chain(breaks()).collect());
        starts.partition_point(|&start| start <= at)
    }

    fn position(&self, at: usize) -> (usize, usize) {
        let at = floor(&self.text, at);
        let line_start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        (self.line(at), 1 + self.text[line_start..at].chars().count())
    }
}

/// The texts that findings are about, each fetched once.
struct Sources<'s>(HashMap<&'s Path, (&'s Source, OnceCell<Option<Text>>)>);

impl<'s> Sources<'s> {
    fn new(sources: &'s [Source]) -> Self {
        Self(sources.iter().map(|source| (source.path(), (source, OnceCell::new()))).collect())
    }

    fn get(&self, file: &Path) -> Option<&Text> {
        let (source, text) = self.0.get(file)?;
        text.get_or_init(|| Some(Text { text: source.text()?, lines: OnceCell::new() })).as_ref()
    }
}

/// A span cut at the end of its first line: a whole table underlined says less than its beginning.
fn first_line(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = floor(text, span.start);
    let end = floor(text, span.end).max(start);
    let line_end = text[start..end].find('\n').map_or(end, |at| start + at);
    start..line_end
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn example() -> (Diagnostic, Vec<Source>) {
        let mut diagnostic = Diagnostic::general(Severity::Error, "unknown-key", "unknown key `tll`");
        diagnostic.file = Some("a.toml".into());
        diagnostic.span = Some(12..15);
        diagnostic.label = "no such key".into();
        diagnostic.help = Some("did you mean `ttl`?".into());
        (diagnostic, vec![Source::new("a.toml".into(), "zone = \"é\"\ntll = 5\n".into())])
    }

    #[test]
    fn a_finding_shows_file_line_column_text_label_and_help() {
        let (diagnostic, sources) = example();
        let text = render(&diagnostic, &sources, false);
        for part in [
            "error[unknown-key]: unknown key `tll`",
            "a.toml:2:1",
            "2 | tll = 5",
            "^^^ no such key",
            "= help: did you mean `ttl`?",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
        assert!(render(&diagnostic, &sources, true).contains('\u{1b}'));
    }

    #[test]
    fn a_line_names_file_row_and_column_in_characters() {
        let text = "zone = \"a\"\n# café\nü = xyz\n".to_owned();
        let at = text.find("xyz").unwrap();
        let sources = vec![Source::new("zones/a.toml".into(), text)];
        let mut fault = Diagnostic::general(Severity::Error, "unknown-key", "no key of this name");
        fault.file = Some("zones/a.toml".into());
        fault.span = Some(at..at + 3);
        fault.help = Some("perhaps `zone`".into());
        assert_eq!(render_lines([&fault], &sources), ["zones/a.toml:3:5: no key of this name; perhaps `zone`"]);
    }

    #[test]
    fn json_counts_lines_and_characters_from_one() {
        let (diagnostic, sources) = example();
        let value = render_json(&[diagnostic], &sources);
        let first = &value[0];
        assert_eq!((first["line"].as_u64(), first["column"].as_u64()), (Some(2), Some(1)));
        assert_eq!((first["end_line"].as_u64(), first["end_column"].as_u64()), (Some(2), Some(4)));
        assert_eq!(first["severity"], "error");
        assert_eq!(position("é=1", 2), (1, 2));
    }
}
