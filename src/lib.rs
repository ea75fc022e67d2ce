//! rhumb: an authoritative DNS server that steers. It answers each query with the endpoint that serves that client
//! best, and takes an endpoint out of the answers when its health check says that it is down.
//!
//! # The parts, from the bottom up
//!
//! [`world`] and [`wire`] know tables and octets and nothing else, [`threads`] who goes first, [`pieces`] how files are read
//! meanwhile, [`clients`] who makes room when too many come. [`config`] turns files into the [`Model`](config::Model): what was written becomes what is meant, or a list of
//! faults with their places. [`geo`] knows where addresses are, [`zone`] what names a zone has, [`health`] which endpoints
//! are up, [`secondary`] what primaries say of their zones. [`policy`] is the eight policies as pure functions.
//! [`snapshot`] compiles all of that into one immutable [`Snapshot`](snapshot::Snapshot), and [`answer`] turns query octets
//! into reply octets with nothing but a snapshot.
//! [`net`] has the sockets, [`control`] the running state, [`transfer`] what zones are exchanged with other servers by,
//! [`admin`] the HTTP interface, [`cli`] the commands. Arrows go down only.
//!
//! # The life of a query
//!
//! A transport in [`net`] reads a datagram and calls [`answer::answer`] with the current snapshot, the sender's address
//! and 64 random bits. The engine reads the message in place ([`wire::message`]), hashes its name once from the root
//! outward and finds the closest name that exists ([`snapshot::NameTable`]). Plain data is copied from ready octets. For
//! a steered name the client's network gives a region ([`geo::Map`]), the region an outcome, the random bits one of its
//! branches, and that is ready octets again. Nothing was evaluated, allocated or locked.
//!
//! # The life of a change
//!
//! A saved file, a probe's verdict, a replaced database or a person's drain wakes [`control`]. It loads, parsing only
//! files that have changed ([`config::Loader`]), or takes what health says, calls [`snapshot::compile`], and swaps the
//! result in. What depends on files alone is shared with the snapshot before ([`snapshot::Plan`]), and what no flip of
//! health has touched likewise: a flip costs what depends on it, and a change of files lays out anew the zones that it
//! changes, beside those that stay. A snapshot that was replaced is freed once every reader has reported a newer one
//! ([`snapshot::Readers`]).
//!
//! To read on: [`config::model`] for what there is to say, [`policy`] for what it means, [`answer`] for how it is said.

pub mod admin;
pub mod answer;
pub mod cli;
pub mod clients;
pub mod config;
pub mod control;
pub mod geo;
pub mod health;
pub mod net;
pub mod pieces;
pub mod policy;
pub mod secondary;
pub mod snapshot;
pub mod threads;
pub mod transfer;
pub mod tsig;
pub mod update;
pub mod wire;
pub mod world;
pub mod zone;
