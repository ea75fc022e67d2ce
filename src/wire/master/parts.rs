//! Parts of one master file read at once.
//!
//! An entry may depend on everything before it: on `$ORIGIN` and `$TTL`, on the TTL and the owner of the last record,
//! and on whether a parenthesis is open. So a part is read from a guess, which the directives before it and the shape
//! of its first line make a good one; then, in order, each guess is compared with what the part before came to. A part
//! that was guessed wrongly is read again from what is known. The outcome is that of [`scan_with`](super::scan_with),
//! wherever the cuts are.

use std::thread;

use memchr::memmem;

use super::{Fault, MasterError, MasterRecordRef, Scanner, State, located};
use crate::wire::Name;

/// How far behind its place a cut is looked for, in octets.
const LOOK: usize = 1 << 16;

/// As [`scan_with`](super::scan_with), in up to `parts` parts that are read at once, each into a sink of its own that
/// `sink` makes. The sinks come out in the order of the file.
pub fn scan_parts<S: Send>(
    text: &[u8],
    origin: &Name,
    default_ttl: u32,
    parts: usize,
    sink: impl Fn() -> S + Sync,
    each: impl Fn(&mut S, MasterRecordRef<'_>) + Sync,
) -> (Vec<S>, Vec<MasterError>) {
    scan_cut(text, origin, default_ttl, &cuts(text, parts), sink, each)
}

/// What one part came to.
struct Part<S> {
    sink: S,
    faults: Vec<Fault>,
    end: State,
    gave_ttl: bool,
    took_last_ttl: bool,
    took_last_owner: bool,
}

/// With cuts in ascending order.
pub(super) fn scan_cut<S: Send>(
    text: &[u8],
    origin: &Name,
    default_ttl: u32,
    cuts: &[usize],
    sink: impl Fn() -> S + Sync,
    each: impl Fn(&mut S, MasterRecordRef<'_>) + Sync,
) -> (Vec<S>, Vec<MasterError>) {
    let read = |start: State, until: usize| {
        let mut sink = sink();
        let mut scanner = Scanner::new(text, start, default_ttl);
        scanner.run(until, &mut |record| each(&mut sink, record));
        let Scanner { faults, state, gave_ttl, took_last_ttl, took_last_owner, .. } = scanner;
        Part { sink, faults, end: state, gave_ttl, took_last_ttl, took_last_owner }
    };
    let starts = guesses(text, origin, default_ttl, cuts);
    let ends: Vec<usize> = cuts.iter().copied().chain([text.len()]).collect();
    let parts: Vec<Option<Part<S>>> = thread::scope(|scope| {
        let read = &read;
        let others: Vec<_> = starts
            .iter()
            .zip(&ends[1..])
            .map(|(start, &until)| scope.spawn(move || read(start.clone(), until)))
            .collect();
        let first = read(State::first(origin), ends[0]);
        // A part that failed is read again below, where the failure is the caller's.
        std::iter::once(Some(first)).chain(others.into_iter().map(|other| other.join().ok())).collect()
    });
    let mut sinks = Vec::with_capacity(parts.len());
    let mut faults = Vec::new();
    let mut known = State::first(origin);
    for (number, part) in parts.into_iter().enumerate() {
        let is_right = |part: &Part<S>| match number {
            0 => true,
            _ => {
                let start = &starts[number - 1];
                start.at == known.at
                    && start.origin.as_wire() == known.origin.as_wire()
                    && start.stated_ttl == known.stated_ttl
                    && !(part.took_last_ttl && known.last_ttl.is_some())
                    && (!part.took_last_owner || known.owner.is_empty())
            }
        };
        let part = match part.filter(is_right) {
            Some(part) => part,
            None => read(known.clone(), ends[number]),
        };
        let before = std::mem::replace(&mut known, part.end);
        if !part.gave_ttl {
            known.last_ttl = before.last_ttl;
        }
        if known.owner.is_empty() {
            known.owner = before.owner;
        }
        sinks.push(part.sink);
        faults.extend(part.faults);
    }
    (sinks, located(text, faults))
}

/// Where to cut a text into about equal parts: at lines that look like the beginning of another owner than the line
/// before has.
fn cuts(text: &[u8], parts: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = Vec::new();
    for part in 1..parts {
        let place = text.len() / parts * part;
        let look = &text[place..text.len().min(place + LOOK)];
        let mut lines = memchr::memchr_iter(b'\n', look).map(|newline| place + newline + 1);
        let Some(mut line) = lines.next() else { continue };
        let cut = lines.find(|&next| {
            let before = std::mem::replace(&mut line, next);
            begins_with_owner(&text[next..]) && first_word(&text[next..]) != first_word(&text[before..])
        });
        cuts.extend(cut.filter(|&cut| cuts.last().is_none_or(|&last| last < cut)));
    }
    cuts
}

fn begins_with_owner(line: &[u8]) -> bool {
    line.first().is_some_and(|first| !b" \t\r\n;()\"$".contains(first))
}

fn first_word(line: &[u8]) -> &[u8] {
    let end = line.iter().position(|byte| b" \t\r\n".contains(byte)).unwrap_or(line.len());
    &line[..end]
}

/// What is in force at each cut, as far as the lines that look like directives say.
fn guesses(text: &[u8], origin: &Name, default_ttl: u32, cuts: &[usize]) -> Vec<State> {
    let Some(&last) = cuts.last() else { return Vec::new() };
    let mut state = State::first(origin);
    let mut directives = memmem::find_iter(&text[..last], b"\n$").map(|newline| newline + 1).peekable();
    let read = |state: State, at: usize| {
        let mut scanner = Scanner::new(text, State { at, ..state }, default_ttl);
        scanner.run(at + 1, &mut |_| ());
        scanner.state
    };
    if text.starts_with(b"$") {
        state = read(state, 0);
    }
    let mut guesses = Vec::with_capacity(cuts.len());
    for &cut in cuts {
        while let Some(at) = directives.next_if(|&at| at < cut) {
            state = read(state, at);
        }
        guesses.push(State { at: cut, ..state.clone() });
    }
    guesses
}
