//! From a name to records: the closest encloser, cuts, wildcards, steered names.

use super::chain::Link;
use super::client::Client;
use super::reply::{Full, Reply, Section};
use crate::snapshot::{Companion, Companions, Cut, Node, ReadyRef, Snapshot, Turn};
use crate::wire::message::{HEADER, Rcode};
use crate::wire::{Lowered, RecordType};

/// Octets of a record before its data when the owner is a pointer.
pub(super) const RECORD_FIXED: usize = 12;

/// What goes along in the additional section.
const ADDRESSES: [RecordType; 2] = [RecordType::A, RecordType::AAAA];

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
    /// The name is in a secondary zone of ours that has expired.
    Expired,
}

/// One question being answered. Handed over as a copy where something rare is left to functions of their own, so that it
/// need not lie in memory on the straight way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolution<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) qtype: RecordType,
    client: Client<'a>,
    draw: u64,
}

/// What stands at a name for this question.
enum Found<'a> {
    /// Its RRset, and the scope of having decided for it (E2).
    Records(ReadyRef<'a>, u8),
    /// A CNAME that leads on, and the same.
    Alias(ReadyRef<'a>, u8),
    Nothing,
    /// NODATA that a policy asks for, and the scope of that.
    NothingByPolicy(u8),
}

/// Whether the answer ends here or goes on elsewhere: where the link lies that leads there, and the link.
pub(super) enum Next<'a> {
    End(Ending),
    Link(u32, Link<'a>),
}

impl<'a> Resolution<'a> {
    #[inline(always)]
    pub(super) fn new(snapshot: &'a Snapshot, qtype: RecordType, client: Client<'a>, draw: u64) -> Self {
        Self { snapshot, qtype, client, draw }
    }

    /// Where RRsets begin their rotation. The picks of W10's and M1's kind take the draw from the top; rotation takes bits
    /// that they hardly see.
    #[inline(always)]
    pub(super) fn turn(&self) -> Turn {
        let part = (self.draw.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32;
        Turn { part, is_fixed: !self.snapshot.inputs.model.server.rotate }
    }

    /// What nearly all queries come to: the name exists, nothing rare stands there, and it has what is asked for; this, and
    /// the scope of having decided for it (E2). `None`: any other case, to be answered by [`Self::run`].
    #[inline(always)]
    pub(super) fn straight(&self, name: &Lowered) -> Option<(ReadyRef<'a>, u8)> {
        let node = self.snapshot.plan.table.exact(name).filter(Node::is_common)?;
        let Found::Records(ready, scope) = self.find(node) else { return None };
        Some((ready, scope))
    }

    /// Answers for `name` and all that it leads to.
    pub(super) fn run(&self, name: &Lowered, reply: &mut Reply<'_>) -> Ending {
        match self.step(name, HEADER, 0, reply) {
            Ok(Next::End(ending)) => ending,
            Ok(Next::Link(line, link)) => self.follow(name, line, link, reply).unwrap_or(Ending::Full),
            Err(Full) => Ending::Full,
        }
    }

    /// Answers for one name, which stands at `owner` in the reply and to which so many `links` of a chain have led.
    pub(super) fn step(
        &self,
        name: &Lowered,
        owner: usize,
        links: usize,
        reply: &mut Reply<'_>,
    ) -> Result<Next<'a>, Full> {
        let plan = &self.snapshot.plan;
        let done = |rcode| Ok(Next::End(Ending::Done(rcode)));
        let Some((mut node, above)) = plan.table.closest(name) else {
            return if links == 0 { Ok(Next::End(Ending::NotOurs)) } else { done(Rcode::NoError) };
        };
        let exact = above == 0;
        let asks_parent = exact && self.qtype == RecordType::DS;
        if let Some(parent_side) = node.parent_side().filter(|_| asks_parent) {
            node = parent_side;
        }
        if node.is_unloaded() {
            let ending = if node.is_expired() { Ending::Expired } else { Ending::NotLoaded };
            return if links == 0 { Ok(Next::End(ending)) } else { done(Rcode::NoError) };
        }
        if let Some(cut) = node.cut().filter(|_| !asks_parent) {
            // Behind a chain as well: its records are ours, what it leads to is the delegated zone's (RFC 1034 section 4.3.2).
            self.referral(node, &cut, name, owner, reply)?;
            return done(Rcode::NoError);
        }
        reply.authoritative();
        if let Some(dname) = node.redirect().filter(|_| !exact) {
            return Ok(Next::Link(node.line, Link::Redirect(dname, node.name_len())));
        }
        let source = match (exact, node.wildcard()) {
            (true, _) => node,
            (false, Some(wildcard)) => wildcard,
            (false, None) => {
                self.negative(node, false, name, owner, reply)?;
                return done(Rcode::NxDomain);
            }
        };
        if let Some((ready, companions)) = source.accompanied(self.qtype) {
            reply.push(Section::Answer, ready, owner, self.turn())?;
            // One RRset is enough for ANY (RFC 8482).
            if self.qtype != RecordType::ANY {
                self.accompany(source, owner, companions, reply);
            }
            return done(Rcode::NoError);
        }
        match self.find(source) {
            Found::Records(ready, scope) => {
                reply.widen_scope(scope);
                reply.push(Section::Answer, ready, owner, self.turn())?;
            }
            Found::Alias(ready, scope) => {
                reply.widen_scope(scope);
                return Ok(Next::Link(source.line, Link::Alias(ready)));
            }
            Found::Nothing => self.negative(source, false, name, owner, reply)?,
            Found::NothingByPolicy(scope) => {
                reply.widen_scope(scope);
                self.negative(source, true, name, owner, reply)?;
            }
        }
        done(Rcode::NoError)
    }

    /// SOA in authority (RFC 2308); its owner is the end of the name asked.
    fn negative(
        &self,
        node: Node<'_>,
        by_policy: bool,
        name: &Lowered,
        owner: usize,
        reply: &mut Reply<'_>,
    ) -> Result<(), Full> {
        let negative = node.negative();
        let soa = if by_policy { negative.by_policy } else { negative.soa };
        reply.push(Section::Authority, soa, owner + name.octets() - negative.apex_len, Turn::NONE)
    }

    /// Addresses that are useful beside what was answered for the name at `owner`, as far as there is room: they are never
    /// worth truncating for (protocol 13).
    fn accompany(&self, source: Node<'a>, owner: usize, companions: Companions<'a>, reply: &mut Reply<'_>) {
        for companion in companions {
            // What does not fit is left out; a smaller one behind it may.
            let _ = match companion {
                Companion::Fixed(records) => reply.push_records(Section::Additional, &records),
                Companion::Steered(number, name) => ADDRESSES.into_iter().try_for_each(|rtype| {
                    let ready = self.steered_for_anyone(number, rtype);
                    ready.map_or(Ok(()), |ready| reply.push_named(Section::Additional, ready, name, self.turn()))
                }),
                Companion::Own => ADDRESSES.into_iter().try_for_each(|rtype| {
                    let steered = || self.steered_for_anyone(source.steer()?, rtype);
                    let ready = source.rrset(rtype).or_else(steered);
                    ready.map_or(Ok(()), |ready| reply.push(Section::Additional, ready, owner, self.turn()))
                }),
            };
        }
    }

    /// What a steered name has of a type, where everybody is answered alike.
    fn steered_for_anyone(&self, number: usize, rtype: RecordType) -> Option<ReadyRef<'a>> {
        let steer = &self.snapshot.plan.steers[number];
        if steer.region_count() > 1 {
            return None;
        }
        let answers = &self.snapshot.steered[number];
        answers.pick_for_anyone(answers.of_type(rtype)?.choice(0), self.draw)
    }

    #[inline(always)]
    fn find(&self, node: Node<'a>) -> Found<'a> {
        if self.qtype == RecordType::ANY || self.qtype == RecordType::CNAME || node.is_alias() {
            return self.find_alias_or_any(node.line);
        }
        if let Some(ready) = node.rrset(self.qtype) {
            return Found::Records(ready, 0);
        }
        match node.steer() {
            Some(steer) => self.steered(steer, true),
            None => Found::Nothing,
        }
    }

    #[inline(never)]
    fn find_alias_or_any(self, line: u32) -> Found<'a> {
        let node = self.snapshot.plan.table.node(line);
        let follows = self.qtype != RecordType::CNAME && self.qtype != RecordType::ANY;
        if let Some(cname) = node.cname() {
            // What stands beside it is asked for by its own type (RFC 4035 section 2.5).
            if let Some(beside) = node.rrset(self.qtype).filter(|_| follows) {
                return Found::Records(beside, 0);
            }
            return if follows { Found::Alias(cname, 0) } else { Found::Records(cname, 0) };
        }
        // One RRset is enough (RFC 8482).
        let ready = if self.qtype == RecordType::ANY { node.first_rrset() } else { node.rrset(self.qtype) };
        match (ready, node.steer()) {
            (Some(ready), _) => Found::Records(ready, 0),
            (None, Some(steer)) => self.steered(steer, follows),
            (None, None) => Found::Nothing,
        }
    }

    #[inline(always)]
    fn steered(&self, number: usize, follows: bool) -> Found<'a> {
        let steer = &self.snapshot.plan.steers[number];
        let answers = &self.snapshot.steered[number];
        let by_type = match answers.of_type(self.qtype) {
            None if self.qtype == RecordType::ANY || *steer.types == [RecordType::CNAME] => answers.first_type(),
            found => found,
        };
        let Some(by_type) = by_type else { return Found::Nothing };
        let (picked, scope) = match &steer.regions {
            None => (answers.pick(by_type.choice(0), self.draw, self.client), 0),
            Some(regions) => {
                let decision = self.client.decide(&regions.map);
                let choice = by_type.choice(decision.region);
                // Subnets may all be alike while senders are not.
                let depends = if decision.reserved { regions.count() > 1 } else { !regions.map.uniform };
                let scope = match (regions.is_sticky(decision.region), depends) {
                    (true, _) => decision.sticky_scope,
                    (false, true) => decision.scope,
                    (false, false) => 0,
                };
                (answers.pick(choice, self.draw, decision), scope)
            }
        };
        match picked {
            None => Found::NothingByPolicy(scope),
            Some(ready) if ready.rtype == RecordType::CNAME && follows => Found::Alias(ready, scope),
            Some(ready) => Found::Records(ready, scope),
        }
    }

    /// NS of the cut in authority, addresses of its servers in additional (protocol 12).
    fn referral(
        &self,
        node: Node<'a>,
        cut: &Cut<'a>,
        name: &Lowered,
        owner: usize,
        reply: &mut Reply<'_>,
    ) -> Result<(), Full> {
        let cut_owner = owner + name.octets() - node.name_len();
        reply.push(Section::Authority, cut.ns, cut_owner, self.turn())?;
        reply.push_records(Section::Additional, &cut.in_domain)?;
        // Addresses that others can tell as well are left out rather than truncating for them.
        self.accompany(node, owner, cut.sibling, reply);
        Ok(())
    }
}
