//! `rhumb schema`, `completions` and `man`: made from the definitions that the parsers use.

use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;

use super::args::{Cli, Completions, Man, Schema, SchemaOf};
use super::output::Output;
use super::{Failure, Outcome};
use crate::config;

/// Prints one file's JSON schema.
pub(crate) fn schema(output: &Output, schema: &Schema) -> anyhow::Result<Outcome> {
    let schema = match schema.of {
        SchemaOf::Zone => config::schema::zone(),
        SchemaOf::Server => config::schema::server(),
    };
    output.json(&schema)?;
    Ok(Outcome::Done)
}

/// Prints one shell's completions.
pub(crate) fn completions(output: &Output, completions: &Completions) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Cli::command(), "rhumb", &mut script);
    output.text(&String::from_utf8(script)?)?;
    Ok(Outcome::Done)
}

/// Prints one man page, or writes them all.
pub(crate) fn man(output: &Output, man: &Man) -> anyhow::Result<Outcome> {
    if let Some(directory) = &man.all {
        return write_pages(directory);
    }
    let page = match &man.command {
        None => page(&Cli::command())?,
        Some(name) => pages()
            .find(|command| title(command).strip_prefix("rhumb-") == Some(name))
            .map(|command| page(&command))
            .ok_or_else(|| Failure::new(format!("no command `{name}`")).help("`rhumb --help` lists the commands"))??,
    };
    output.text(&page)?;
    Ok(Outcome::Done)
}

fn write_pages(directory: &Path) -> anyhow::Result<Outcome> {
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    for command in std::iter::once(Cli::command()).chain(pages()) {
        let path = directory.join(format!("{}.1", title(&command)));
        std::fs::write(&path, page(&command)?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(Outcome::Done)
}

/// One command a page, called `rhumb-NAME` as man pages of subcommands are, with the flags of every command; a command
/// of a command has a page where it has something to say beyond its flags.
fn pages() -> impl Iterator<Item = clap::Command> {
    let mut all = Cli::command();
    all.build();
    let mut commands = Vec::new();
    for command in all.get_subcommands() {
        commands.push(command.clone());
        commands.extend(command.get_subcommands().filter(|below| below.get_after_help().is_some()).cloned());
    }
    commands.into_iter().map(|command| command.version(env!("CARGO_PKG_VERSION")))
}

/// What its page is called.
fn title(command: &clap::Command) -> &str {
    command.get_display_name().unwrap_or(command.get_name())
}

fn page(command: &clap::Command) -> anyhow::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    Ok(String::from_utf8(page)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_own_name_and_usage() {
        let titles: Vec<_> = pages().map(|command| title(&command).to_owned()).collect();
        assert!(titles.iter().any(|title| title == "rhumb-explain"), "{titles:?}");
        for command in pages() {
            let text = page(&command).unwrap();
            assert!(text.contains(&format!(".TH {} 1", title(&command))), "{text}");
            assert!(text.contains("Examples"), "{text}");
        }
    }

    /// `docs/commands.md` as the definitions say it.
    fn commands_page() -> String {
        const WIDTH: usize = 100;
        let mut page = String::from(
            "# Commands\n\nMade from the definitions in `src/cli/args.rs`; a test fails when they differ, and\n\
             `RHUMB_BLESS=1 cargo test --lib docs_` writes this page anew.\n",
        );
        for (title, command) in std::iter::once(("rhumb".to_owned(), Cli::command()))
            .chain(pages().map(|command| (title(&command).replace('-', " "), command)))
        {
            let is_rhumb = command.get_name() == "rhumb";
            let command = command.mut_args(|arg| if arg.is_global_set() && !is_rhumb { arg.hide(true) } else { arg });
            let help = command.term_width(WIDTH).render_long_help().to_string();
            let help: String = help.lines().map(|line| format!("{}\n", line.trim_end())).collect();
            page.push_str(&format!("\n## {title}\n\n```text\n{help}```\n"));
        }
        page
    }

    /// `docs/configuration.md` as the definitions say it.
    fn configuration_page() -> String {
        format!("{}\n", config::schema::reference().trim_end())
    }

    /// Holds a page in `docs/` against what the definitions say; with `RHUMB_BLESS` set the page is written anew.
    fn assert_page(name: &str, said: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
        if std::env::var_os("RHUMB_BLESS").is_some() {
            std::fs::write(&path, said).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == said, "docs/{name} is out of date: RHUMB_BLESS=1 cargo test --lib docs_");
    }

    #[test]
    fn docs_commands_says_what_help_says() {
        assert_page("commands.md", &commands_page());
    }

    #[test]
    fn docs_configuration_says_what_the_keys_say() {
        assert_page("configuration.md", &configuration_page());
    }

    #[test]
    fn the_exit_codes_are_on_the_page_of_rhumb() {
        assert!(page(&Cli::command()).unwrap().contains("Exit codes"));
    }

    #[test]
    fn all_pages_are_written_into_a_directory_that_need_not_exist() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("share/man1");
        write_pages(&directory).unwrap();
        assert!(directory.join("rhumb.1").is_file());
        assert!(directory.join("rhumb-drain.1").is_file());
    }
}
