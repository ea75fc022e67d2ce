//! The gathering of faults: where something stands in a file, and what was found there.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{Diagnostic, Severity};

/// A file, of this load or of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId(pub(crate) u32);

/// Bytes in a file. Files over 4 GiB are refused when they are read, so 32 bits are enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Site {
    pub(crate) file: FileId,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Site {
    pub(crate) fn new(file: FileId, span: Range<usize>) -> Self {
        Self { file, start: span.start as u32, end: span.end as u32 }
    }

    pub(crate) fn span(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Something with the place where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Written<T> {
    pub(crate) value: T,
    pub(crate) site: Site,
}

impl<T> Written<T> {
    pub(crate) fn new(value: T, site: Site) -> Self {
        Self { value, site }
    }

    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Written<U> {
        Written { value: f(self.value), site: self.site }
    }
}

/// Files by number. A file keeps its number from load to load, so that what is remembered of it stays true.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    list: Vec<PathBuf>,
    numbers: HashMap<PathBuf, FileId>,
}

impl Paths {
    /// How many files there are, or ever were.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }
}

/// All faults of one load.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    paths: Paths,
    /// In which place each file was read, by number; findings are told in this order.
    ranks: Vec<usize>,
    files: usize,
    errors: usize,
    list: Vec<(Option<Site>, Diagnostic)>,
}

/// One fault, to be told more about.
pub(crate) struct Found<'a> {
    findings: &'a mut Findings,
}

impl Findings {
    /// Of a load that goes on counting files where others ended.
    pub(crate) fn new(paths: Paths) -> Self {
        Self { paths, ..Self::default() }
    }

    /// The number of a file that is read.
    pub(crate) fn add_file(&mut self, path: &Path) -> FileId {
        let id = match self.paths.numbers.get(path) {
            Some(&id) => id,
            None => {
                let id = FileId(self.paths.list.len() as u32);
                self.paths.list.push(path.to_owned());
                self.paths.numbers.insert(path.to_owned(), id);
                id
            }
        };
        let number = id.0 as usize;
        if self.ranks.len() <= number {
            self.ranks.resize(number + 1, usize::MAX);
        }
        if self.ranks[number] == usize::MAX {
            self.ranks[number] = self.files;
            self.files += 1;
        }
        id
    }

    pub(crate) fn path(&self, file: FileId) -> &PathBuf {
        &self.paths.list[file.0 as usize]
    }

    /// How much was found so far, for [`Self::since`].
    pub(crate) fn mark(&self) -> usize {
        self.list.len()
    }

    /// What was found since then.
    pub(crate) fn since(&self, mark: usize) -> Vec<(Option<Site>, Diagnostic)> {
        self.list[mark..].to_vec()
    }

    /// Takes back what was found since then and is not worth telling.
    pub(crate) fn retain_since(&mut self, mark: usize, keep: impl Fn(&Diagnostic) -> bool) {
        let later = self.list.split_off(mark);
        let is_error = |(_, found): &&(Option<Site>, Diagnostic)| found.severity == Severity::Error;
        self.errors -= later.iter().filter(is_error).count();
        let kept: Vec<_> = later.into_iter().filter(|(_, found)| keep(found)).collect();
        self.repeat(&kept);
    }

    /// What was found of a file in an earlier load and is true in this one.
    pub(crate) fn repeat(&mut self, found: &[(Option<Site>, Diagnostic)]) {
        self.errors += found.iter().filter(|(_, found)| found.severity == Severity::Error).count();
        self.list.extend_from_slice(found);
    }

    pub(crate) fn error(&mut self, site: Site, code: &'static str, message: impl Into<String>) -> Found<'_> {
        self.at(Severity::Error, site, code, message.into())
    }

    pub(crate) fn warning(&mut self, site: Site, code: &'static str, message: impl Into<String>) -> Found<'_> {
        self.at(Severity::Warning, site, code, message.into())
    }

    fn at(&mut self, severity: Severity, site: Site, code: &'static str, message: String) -> Found<'_> {
        self.errors += usize::from(severity == Severity::Error);
        let mut diagnostic = Diagnostic::general(severity, code, message);
        diagnostic.file = Some(self.path(site.file).clone());
        diagnostic.span = Some(site.span());
        self.list.push((Some(site), diagnostic));
        Found { findings: self }
    }

    /// An error that belongs to no file, such as a flag's.
    pub(crate) fn general_error(&mut self, code: &'static str, message: impl Into<String>) -> Found<'_> {
        self.errors += 1;
        self.list.push((None, Diagnostic::general(Severity::Error, code, message)));
        Found { findings: self }
    }

    /// An error about a file or directory as a whole.
    pub(crate) fn file_error(&mut self, path: PathBuf, code: &'static str, message: impl Into<String>) -> Found<'_> {
        self.errors += 1;
        let mut diagnostic = Diagnostic::general(Severity::Error, code, message);
        diagnostic.file = Some(path);
        self.list.push((None, diagnostic));
        Found { findings: self }
    }

    /// How many errors so far: a part during whose reading it grew holds a fault.
    pub(crate) fn count(&self) -> usize {
        self.errors
    }

    /// What was found: whole files first, then in the order of files and positions. Exact repetitions are dropped,
    /// since one written text may be judged once for each name that it serves.
    pub(crate) fn finish(self) -> (Vec<Diagnostic>, Paths) {
        let Self { mut list, ranks, paths, .. } = self;
        let rank = |site: Site| (ranks.get(site.file.0 as usize).copied(), site.start, site.end);
        list.sort_by_key(|(site, _)| site.map(rank));
        list.dedup();
        (list.into_iter().map(|(_, diagnostic)| printable(diagnostic)).collect(), paths)
    }
}

/// What was read is repeated in faults, and files may hold anything: a line of a log stays one line, and a terminal is
/// told nothing but text.
fn printable(mut diagnostic: Diagnostic) -> Diagnostic {
    let Diagnostic { message, label, help, related, .. } = &mut diagnostic;
    let texts = [message, label].into_iter().chain(help).chain(related.iter_mut().map(|(_, _, text)| text));
    for text in texts.filter(|text| text.contains(char::is_control)) {
        let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        *text = text.chars().map(escaped).collect();
    }
    diagnostic
}

impl Found<'_> {
    fn diagnostic(&mut self) -> Option<&mut Diagnostic> {
        self.findings.list.last_mut().map(|(_, diagnostic)| diagnostic)
    }

    /// What stands at the underlined text.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        if let Some(diagnostic) = self.diagnostic() {
            diagnostic.label = label.into();
        }
        self
    }

    /// What was expected, or the likely fix.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        if let Some(diagnostic) = self.diagnostic() {
            diagnostic.help = Some(help.into());
        }
        self
    }

    /// As [`Self::help`], where there may be none.
    pub(crate) fn maybe_help(self, help: Option<String>) -> Self {
        match help {
            Some(help) => self.help(help),
            None => self,
        }
    }

    /// A further place that matters.
    pub(crate) fn related(mut self, site: Site, text: impl Into<String>) -> Self {
        let path = self.findings.path(site.file).clone();
        if let Some(diagnostic) = self.diagnostic() {
            diagnostic.related.push((path, site.span(), text.into()));
        }
        self
    }
}
