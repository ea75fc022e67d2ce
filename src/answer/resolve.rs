//! From a name to records: the closest encloser, cuts, wildcards, CNAME chains, steered names.

use super::client::Client;
use super::reply::{Full, Reply, Section};
use crate::snapshot::{Cut, Node, ReadyRef, Snapshot};
use crate::wire::message::{HEADER, Rcode};
use crate::wire::{Lowered, RecordType};

/// Links of a CNAME chain at most (protocol 10).
const MAX_CHAIN: usize = 16;
/// Octets of a record before its data when the owner is a pointer.
const RECORD_FIXED: usize = 12;

/// How answering one question ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    /// The reply is whole.
    Done(Rcode),
    /// It does not fit.
    Full,
    /// The name is in no zone of ours.
    NotOurs,
    /// The name is in a zone of ours that could not be loaded.
    NotLoaded,
}

impl From<Full> for Ending {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

/// One question being answered.
#[derive(Debug)]
pub(super) struct Resolution<'a> {
    snapshot: &'a Snapshot,
    qtype: RecordType,
    client: Client<'a>,
    draw: u64,
    /// The part of 2^32 at which RRsets begin their rotation.
    turn: u32,
}

/// What stands at a name for this question.
enum Found<'a> {
    Records(ReadyRef<'a>),
    Alias(ReadyRef<'a>),
    Nothing,
    NothingByPolicy,
}

/// Whether the answer ends here or goes on behind an alias: where that lies, and its RRset.
enum Next<'a> {
    End(Ending),
    Alias(u32, ReadyRef<'a>),
}

impl<'a> Resolution<'a> {
    #[inline(always)]
    pub(super) fn new(snapshot: &'a Snapshot, qtype: RecordType, client: Client<'a>, draw: u64) -> Self {
        // The picks of W10's and M1's kind take the draw from the top; rotation takes bits that they hardly see.
        let turn = (draw.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32;
        Self { snapshot, qtype, client, draw, turn }
    }

    /// Answers for `name` and all that it leads to.
    #[inline(always)]
    pub(super) fn run(&self, name: &Lowered, reply: &mut Reply<'_>) -> Ending {
        match self.step(name, HEADER, 0, reply) {
            Ok(Next::End(ending)) => ending,
            Ok(Next::Alias(line, ready)) => self.follow(line, ready, reply).unwrap_or_else(|Full| Ending::Full),
            Err(Full) => Ending::Full,
        }
    }

    /// Goes along a chain whose first alias is the question's own.
    #[inline(never)]
    fn follow(&self, mut line: u32, mut alias: ReadyRef<'a>, reply: &mut Reply<'_>) -> Result<Ending, Full> {
        let mut visited = [0; MAX_CHAIN];
        let mut owner = HEADER;
        for links in 0..MAX_CHAIN {
            if visited[..links].contains(&line) {
                break;
            }
            visited[links] = line;
            let at = reply.position();
            reply.push(Section::Answer, alias, owner, self.turn)?;
            owner = at + RECORD_FIXED;
            let name = Lowered::new(reply.written(owner), self.snapshot.plan.table.seed());
            match self.step(&name, owner, links + 1, reply)? {
                Next::End(ending) => return Ok(ending),
                Next::Alias(next, ready) => (line, alias) = (next, ready),
            }
        }
        Ok(Ending::Done(Rcode::NoError))
    }

    /// Answers for one name, which stands at `owner` in the reply and to which so many `links` of a chain have led.
    #[inline(always)]
    fn step(&self, name: &Lowered, owner: usize, links: usize, reply: &mut Reply<'_>) -> Result<Next<'a>, Full> {
        let plan = &self.snapshot.plan;
        let done = |rcode| Ok(Next::End(Ending::Done(rcode)));
        let Some((node, above)) = plan.table.closest(name) else {
            return if links == 0 { Ok(Next::End(Ending::NotOurs)) } else { done(Rcode::NoError) };
        };
        let source = if above == 0 && node.is_common() {
            // Nearly every name that is asked for and exists.
            reply.authoritative();
            node
        } else {
            match self.uncommon(node, above, name, owner, links, reply)? {
                Ok(source) => source,
                Err(ending) => return Ok(Next::End(ending)),
            }
        };
        match self.find(source, reply) {
            Found::Records(ready) => reply.push(Section::Answer, ready, owner, self.turn)?,
            Found::Alias(ready) => return Ok(Next::Alias(source.line, ready)),
            Found::Nothing => self.negative(source, false, name, owner, reply)?,
            Found::NothingByPolicy => self.negative(source, true, name, owner, reply)?,
        }
        done(Rcode::NoError)
    }

    /// What answers for a name where its closest encloser is another or something rare stands: cuts, wildcards, zones
    /// that are not loaded, apexes whose parent zone is ours as well. Or how the answer ends.
    #[inline(never)]
    fn uncommon(
        &self,
        mut node: Node<'a>,
        above: usize,
        name: &Lowered,
        owner: usize,
        links: usize,
        reply: &mut Reply<'_>,
    ) -> Result<Result<Node<'a>, Ending>, Full> {
        let done = |rcode| Ok(Err(Ending::Done(rcode)));
        if node.is_unloaded() {
            return if links == 0 { Ok(Err(Ending::NotLoaded)) } else { done(Rcode::NoError) };
        }
        let exact = above == 0;
        let asks_parent = exact && self.qtype == RecordType::DS;
        if let Some(parent_side) = node.parent_side().filter(|_| asks_parent) {
            node = parent_side;
        }
        if let Some(cut) = node.cut().filter(|_| !asks_parent) {
            // A chain that leaves our data ends with the CNAME alone (protocol 10).
            if links == 0 {
                referral(node, cut, name, owner, reply)?;
            }
            return done(Rcode::NoError);
        }
        reply.authoritative();
        if exact {
            return Ok(Ok(node));
        }
        if let Some(wildcard) = node.wildcard() {
            return Ok(Ok(wildcard));
        }
        self.negative(node, false, name, owner, reply)?;
        done(Rcode::NxDomain)
    }

    /// SOA in authority (RFC 2308); its owner is the end of the name asked.
    #[inline(never)]
    fn negative(
        &self,
        node: Node<'_>,
        by_policy: bool,
        name: &Lowered,
        owner: usize,
        reply: &mut Reply<'_>,
    ) -> Result<(), Full> {
        let zone = &self.snapshot.plan.zones[node.zone()];
        let soa = if by_policy { zone.policy_nodata.view() } else { zone.negative.view() };
        reply.push(Section::Authority, soa, owner + name.octets() - usize::from(zone.apex_len), 0)
    }

    #[inline(always)]
    fn find(&self, node: Node<'a>, reply: &mut Reply<'_>) -> Found<'a> {
        let follows = self.qtype != RecordType::CNAME && self.qtype != RecordType::ANY;
        if let Some(cname) = node.cname() {
            return if follows { Found::Alias(cname) } else { Found::Records(cname) };
        }
        if self.qtype == RecordType::ANY {
            // One RRset is enough (RFC 8482).
            if let Some(ready) = node.first_rrset() {
                return Found::Records(ready);
            }
        } else if let Some(ready) = node.rrset(self.qtype) {
            return Found::Records(ready);
        }
        match node.steer() {
            Some(steer) => self.steered(steer, follows, reply),
            None => Found::Nothing,
        }
    }

    #[inline(always)]
    fn steered(&self, number: usize, follows: bool, reply: &mut Reply<'_>) -> Found<'a> {
        let steer = &self.snapshot.plan.steers[number];
        let answers = &self.snapshot.steered[number];
        let by_type = match *steer.types {
            [RecordType::CNAME] => answers.first_type(),
            _ if self.qtype == RecordType::ANY => answers.first_type(),
            _ => answers.of_type(self.qtype),
        };
        let Some(by_type) = by_type else { return Found::Nothing };
        let picked = match &steer.regions {
            None => answers.pick(by_type.choice(0), self.draw, self.client.sender()),
            Some(regions) => {
                let decision = self.client.decide(&regions.map);
                let choice = by_type.choice(decision.region);
                // Subnets may all be alike while senders are not.
                let depends = if decision.reserved { regions.count() > 1 } else { !regions.map.uniform };
                reply.widen_scope(match (regions.is_sticky(decision.region), depends) {
                    (true, _) => decision.sticky_scope,
                    (false, true) => decision.scope,
                    (false, false) => 0,
                });
                answers.pick(choice, self.draw, decision.decided_by)
            }
        };
        match picked {
            None => Found::NothingByPolicy,
            Some(ready) if ready.rtype == RecordType::CNAME && follows => Found::Alias(ready),
            Some(ready) => Found::Records(ready),
        }
    }
}

/// NS of the cut in authority, addresses of its servers in additional (protocol 12).
fn referral(node: Node<'_>, cut: &Cut, name: &Lowered, owner: usize, reply: &mut Reply<'_>) -> Result<(), Full> {
    let cut_owner = owner + name.octets() - node.name_len();
    reply.push(Section::Authority, cut.ns.view(), cut_owner, 0)?;
    reply.push_records(Section::Additional, &cut.in_domain)?;
    // Addresses that others can tell as well are left out rather than truncating for them.
    let _ = reply.push_records(Section::Additional, &cut.sibling);
    Ok(())
}
