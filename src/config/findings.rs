//! The gathering of faults: where something stands in a file, and what was found there.

use std::ops::Range;
use std::path::PathBuf;

use super::{Diagnostic, Severity};

/// A file of this load, in the order of reading.
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

/// All faults of one load.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    paths: Vec<PathBuf>,
    errors: usize,
    list: Vec<(Option<Site>, Diagnostic)>,
}

/// One fault, to be told more about.
pub(crate) struct Found<'a> {
    findings: &'a mut Findings,
}

impl Findings {
    pub(crate) fn add_file(&mut self, path: PathBuf) -> FileId {
        self.paths.push(path);
        FileId(self.paths.len() as u32 - 1)
    }

    pub(crate) fn path(&self, file: FileId) -> &PathBuf {
        &self.paths[file.0 as usize]
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
    pub(crate) fn finish(self) -> Vec<Diagnostic> {
        let mut list = self.list;
        list.sort_by_key(|(site, _)| *site);
        list.dedup();
        list.into_iter().map(|(_, diagnostic)| diagnostic).collect()
    }
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
