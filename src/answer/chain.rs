//! Names that lead to names: chains of CNAMEs and DNAMEs (protocol 10, 11).

use super::reply::{Full, Reply, Section};
use super::resolve::{Ending, Next, RECORD_FIXED, Resolution};
use crate::snapshot::{ReadyRef, Turn};
use crate::wire::message::{HEADER, Rcode};
use crate::wire::{Lowered, RecordType};

/// Links of a chain at most (protocol 10).
const MAX_CHAIN: usize = 16;

/// One step from a name to another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Link<'a> {
    /// The name's own CNAME.
    Alias(ReadyRef<'a>),
    /// A DNAME above the name, and the octets of its owner.
    Redirect(ReadyRef<'a>, usize),
}

/// Where a chain has been.
#[derive(Debug, Default)]
struct Trail {
    /// Where the links lay.
    lines: [u32; MAX_CHAIN],
    /// Hashes of the names.
    names: [u64; MAX_CHAIN],
    links: usize,
}

impl Trail {
    fn has_line(&self, line: u32) -> bool {
        self.lines[..self.links].contains(&line)
    }

    /// Whether a link of this name was taken before. A wildcard's CNAME or a DNAME may serve several names of one chain.
    fn has(&self, name: u64) -> bool {
        self.names[..self.links].contains(&name)
    }

    fn add(&mut self, line: u32, name: u64) {
        if let (Some(last), Some(hash)) = (self.lines.get_mut(self.links), self.names.get_mut(self.links)) {
            (*last, *hash) = (line, name);
            self.links += 1;
        }
    }
}

impl<'a> Resolution<'a> {
    /// Goes along a chain whose first link, which lies at `line`, is that of the question's `name`.
    #[inline(never)]
    pub(super) fn follow(
        &self,
        name: &Lowered,
        mut line: u32,
        mut link: Link<'a>,
        reply: &mut Reply<'_>,
    ) -> Result<Ending, Full> {
        let seed = self.snapshot.plan.table.seed();
        let mut trail = Trail::default();
        let (mut owner, mut octets, mut hash) = (HEADER, name.octets(), name.hash());
        for links in 1..=MAX_CHAIN {
            if trail.has(hash) {
                break;
            }
            let mut at = reply.position();
            match link {
                Link::Alias(cname) => reply.push(Section::Answer, cname, owner, self.turn())?,
                Link::Redirect(dname, owner_len) => {
                    let kept = octets - owner_len;
                    if !trail.has_line(line) {
                        reply.push(Section::Answer, dname, owner + kept, Turn::NONE)?;
                    }
                    at = reply.position();
                    if !reply.push_redirected(owner, kept, dname)? {
                        return Ok(Ending::Done(Rcode::YxDomain));
                    }
                    // The CNAME that was made is what such a question asks for.
                    if self.qtype == RecordType::CNAME || self.qtype == RecordType::ANY {
                        break;
                    }
                }
            }
            trail.add(line, hash);
            owner = at + RECORD_FIXED;
            let name = Lowered::new(reply.written(owner), seed);
            (octets, hash) = (name.octets(), name.hash());
            match self.step(&name, owner, links, reply)? {
                Next::End(ending) => return Ok(ending),
                Next::Link(next, found) => (line, link) = (next, found),
            }
        }
        Ok(Ending::Done(Rcode::NoError))
    }
}
