//! Where results and faults go, and whether in colour.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::args::{Color, Format, Global};

/// The two streams as the flags and the environment want them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Format,
    stdout_in_colour: bool,
    stderr_in_colour: bool,
}

/// What a piece of text is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it is.
    Plain,
    /// A heading or what was chosen.
    Strong,
    /// Beside the point.
    Faint,
    /// Up, taken, well.
    Good,
    /// Held back, drained, a warning.
    Wary,
    /// Down, an error.
    Bad,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "\x1b[1m",
            Self::Faint => "\x1b[2m",
            Self::Good => "\x1b[32m",
            Self::Wary => "\x1b[33m",
            Self::Bad => "\x1b[1;31m",
        }
    }
}

impl Output {
    /// From the flags, NO_COLOR (set and not empty, no-color.org) and what the streams are.
    pub(crate) fn new(global: &Global) -> Self {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let wanted = |is_terminal: bool| match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal && !forbidden,
        };
        Self {
            format: global.format,
            stdout_in_colour: global.format == Format::Text && wanted(io::stdout().is_terminal()),
            stderr_in_colour: wanted(io::stderr().is_terminal()),
        }
    }

    /// Whether results are JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether text on stdout may carry colours.
    pub(crate) fn is_coloured(&self) -> bool {
        self.stdout_in_colour
    }

    /// Whether text on stderr may carry colours.
    pub(crate) fn is_stderr_coloured(&self) -> bool {
        self.stderr_in_colour
    }

    /// Text for stdout in a tone.
    pub(crate) fn paint(&self, tone: Tone, text: impl Display) -> String {
        paint(self.stdout_in_colour, tone, text)
    }

    /// Text to stdout, ended by a newline unless it has one.
    ///
    /// # Errors
    /// That of stdout.
    pub(crate) fn text(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            stdout.write_all(b"\n")?;
        }
        stdout.flush()
    }

    /// One JSON document to stdout.
    ///
    /// # Errors
    /// That of stdout.
    pub(crate) fn json(&self, value: &impl Serialize) -> anyhow::Result<()> {
        self.text(&serde_json::to_string_pretty(value)?)?;
        Ok(())
    }

    /// A remark to stderr.
    pub(crate) fn note(&self, text: &str) {
        eprintln!("{}: {text}", paint(self.stderr_in_colour, Tone::Strong, "note"));
    }

    /// A fault to stderr: as JSON `{error, help, details}` where results are JSON.
    pub(crate) fn fault(&self, cause: &str, details: &[String], help: Option<&str>) {
        if self.is_json() {
            eprintln!("{}", serde_json::json!({ "error": cause, "help": help, "details": details }));
            return;
        }
        eprintln!("{}: {cause}", paint(self.stderr_in_colour, Tone::Bad, "error"));
        for detail in details {
            let lines: String = detail.trim_end().lines().map(|line| format!("  {line}\n")).collect();
            eprint!("{lines}");
        }
        if let Some(help) = help {
            eprintln!("{}: {help}", paint(self.stderr_in_colour, Tone::Strong, "help"));
        }
    }
}

fn paint(in_colour: bool, tone: Tone, text: impl Display) -> String {
    match tone.code() {
        code if in_colour && !code.is_empty() => format!("{code}{text}\x1b[0m"),
        _ => text.to_string(),
    }
}

/// Lines whose columns are aligned by what is seen: colours take no room.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<(Tone, String)>>,
}

impl Table {
    /// A further line.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = (Tone, String)>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines, each after `indent`, columns two spaces apart, nothing after the last cell.
    pub(crate) fn render(&self, output: &Output, indent: &str) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|i| self.rows.iter().filter_map(|r| r.get(i)).map(|(_, t)| t.chars().count()).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::from(indent);
            let mut owed = 0;
            for ((tone, cell), width) in row.iter().zip(&widths) {
                if !cell.is_empty() {
                    line.push_str(&" ".repeat(owed));
                    line.push_str(&output.paint(*tone, cell));
                    owed = 0;
                }
                owed += width - cell.chars().count() + if *width > 0 { 2 } else { 0 };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Output {
        Output { format: Format::Text, stdout_in_colour: false, stderr_in_colour: false }
    }

    fn coloured() -> Output {
        Output { stdout_in_colour: true, ..plain() }
    }

    #[test]
    fn columns_align_by_what_is_seen_and_lines_end_without_blanks() {
        let mut table = Table::default();
        table.row([(Tone::Good, "up".into()), (Tone::Plain, "paris".into()), (Tone::Plain, String::new())]);
        table.row([(Tone::Bad, "down".into()), (Tone::Plain, "x".into()), (Tone::Faint, "refused".into())]);
        assert_eq!(table.render(&plain(), "  "), "  up    paris\n  down  x      refused\n");
        let seen = table.render(&coloured(), "  ");
        assert!(seen.starts_with("  \x1b[32mup\x1b[0m    paris"), "{seen:?}");
    }

    #[test]
    fn json_results_are_never_coloured() {
        let global = Global { format: Format::Json, color: Color::Always, ..Global::default() };
        assert_eq!(Output::new(&global).paint(Tone::Bad, "down"), "down");
    }

    #[test]
    fn colour_can_be_forced_and_forbidden() {
        let with = |color| Output::new(&Global { color, ..Global::default() }).paint(Tone::Bad, "down");
        assert_eq!(with(Color::Always), "\x1b[1;31mdown\x1b[0m");
        assert_eq!(with(Color::Never), "down");
    }
}
