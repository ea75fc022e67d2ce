//! A wildcard address, and the addresses of this machine beside it: each has sockets of its own, since the kernel then
//! need not say with every datagram where it arrived (0.2 µs of each). The wildcard sockets stay, and answer for
//! addresses that have none: such as 127.1.2.3, those that came a moment ago, and those that could not be bound.
//!
//! A datagram goes to the sockets of its own address where there are some. Replies leave from the address that was asked
//! either way (protocol 7), so that coming and going of addresses is seen by no client.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::counters::Totals;
use super::datagram::{self, Options};
use super::local::{self, Changes};
use super::worker::{Port, Teller};

/// Addresses with sockets of their own beside one wildcard at most: machines with more have them for other ends.
pub(super) const OWN_MAX: usize = 64;
/// Without word from the kernel, addresses are looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// With it they are looked at this often all the same, for what it may have kept to itself.
const LOOK_ANYWAY: Duration = Duration::from_secs(60);

/// One wildcard address that is listened on.
#[derive(Debug)]
pub(super) struct Wildcard {
    address: SocketAddr,
    /// Addresses with sockets of their own.
    own: BTreeSet<IpAddr>,
    /// Addresses that could not be bound, which was told.
    refused: BTreeSet<IpAddr>,
    /// How many may have sockets of their own, and whether it was told that there are more.
    most: usize,
    has_told_most: bool,
}

/// Sockets of one address, one a worker.
pub(super) type Group = (SocketAddr, Vec<UdpSocket>);

/// What has to be done after a look.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) came: Vec<Group>,
    pub(super) gone: Vec<SocketAddr>,
    /// What a person should know, once.
    pub(super) notes: Vec<String>,
}

impl Wildcard {
    /// `address` is unspecified, and its port is known.
    pub(super) fn new(address: SocketAddr, most: usize) -> Self {
        let (own, refused) = Default::default();
        Self { address, own, refused, most: most.min(OWN_MAX), has_told_most: false }
    }

    /// Binds what is new among the machine's addresses, and names what is gone.
    pub(super) fn look(&mut self, local: &BTreeSet<IpAddr>, options: &Options) -> Changed {
        let mut changed = Changed::default();
        let local: BTreeSet<IpAddr> =
            local.iter().copied().filter(|local| local.is_ipv4() == self.address.is_ipv4()).collect();
        self.refused.retain(|address| local.contains(address));
        let gone: Vec<IpAddr> = self.own.difference(&local).copied().collect();
        for address in gone {
            self.own.remove(&address);
            changed.gone.push(SocketAddr::new(address, self.address.port()));
        }
        let new: Vec<IpAddr> = local.difference(&self.own).copied().collect();
        let mut left_out = 0;
        for ip in new {
            if self.own.len() >= self.most {
                left_out += 1;
                continue;
            }
            let address = SocketAddr::new(ip, self.address.port());
            match datagram::group(address, options) {
                Ok(sockets) => {
                    self.own.insert(ip);
                    self.refused.remove(&ip);
                    changed.came.push((address, sockets));
                }
                // Already gone again, or not yet known to be unique: the next word of it will tell.
                Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {}
                Err(error) => {
                    if self.refused.insert(ip) {
                        changed.notes.push(format!(
                            "{address} has no socket of its own ({error}): the one at {} answers for it",
                            self.address
                        ));
                    }
                }
            }
        }
        if left_out > 0 && !self.has_told_most {
            self.has_told_most = true;
            changed.notes.push(format!(
                "{} addresses have sockets of their own; the one at {} answers for the other {left_out}",
                self.own.len(),
                self.address
            ));
        }
        changed
    }
}

/// Follows the machine's addresses until `stop`, and tells the workers, of which each has a teller.
pub(super) async fn follow(
    mut wildcards: Vec<Wildcard>,
    options: Options,
    mut tellers: Vec<Teller>,
    totals: Arc<Totals>,
    stop: CancellationToken,
) {
    let changes = Changes::new();
    if let Err(error) = &changes {
        tracing::debug!("no word of addresses from the kernel ({error}): they are looked at from time to time");
    }
    // At once for the first time: something may have changed since they were bound.
    loop {
        match local::addresses() {
            Ok(local) => {
                for wildcard in &mut wildcards {
                    tell(wildcard.look(&local, &options), &mut tellers, &totals);
                }
            }
            Err(error) => tracing::debug!("this machine's addresses are not known: {error}"),
        }
        tokio::select! {
            () = changed(&changes) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Waits until addresses may have changed.
async fn changed(changes: &io::Result<Changes>) {
    match changes {
        // With or without a word by then.
        Ok(changes) => drop(timeout(LOOK_ANYWAY, changes.heard()).await),
        Err(_) => sleep(LOOK_EVERY).await,
    }
}

fn tell(changed: Changed, tellers: &mut [Teller], totals: &Totals) {
    for address in changed.gone {
        tracing::debug!("{address} is gone");
        // What its sockets have lost is known as long as they are open.
        totals.drops.read();
        tellers.iter_mut().for_each(|teller| teller.remove(address));
    }
    for (address, sockets) in changed.came {
        tracing::debug!("{address} has sockets of its own");
        for (teller, socket) in tellers.iter_mut().zip(sockets) {
            let socket = Arc::new(socket);
            totals.drops.watch(&socket);
            teller.add(Port::new(address, socket));
        }
    }
    for note in changed.notes {
        tracing::warn!("{note}");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::net::Ipv4Addr;

    use super::*;

    /// Loopback addresses, of which every machine has these.
    fn local(last: &[u8]) -> BTreeSet<IpAddr> {
        last.iter().map(|&last| Ipv4Addr::new(127, 77, 0, last).into()).collect()
    }

    fn wildcard(most: usize) -> (Vec<UdpSocket>, Wildcard) {
        let sockets = datagram::group(([0, 0, 0, 0], 0).into(), &Options::default()).unwrap();
        let address = sockets[0].local_addr().unwrap();
        (sockets, Wildcard::new(address, most))
    }

    fn addresses(groups: &[Group]) -> BTreeSet<IpAddr> {
        groups.iter().map(|(address, _)| address.ip()).collect()
    }

    #[test]
    fn what_came_is_bound_beside_the_wildcard_and_what_went_is_named() {
        let (_held, mut wildcard) = wildcard(8);
        let options = Options::with_workers(2);
        let mut all = local(&[1, 2]);
        all.insert("2001:db8::1".parse().unwrap());
        let first = wildcard.look(&all, &options);
        assert_eq!((addresses(&first.came), first.came[0].1.len()), (local(&[1, 2]), 2));
        assert!(wildcard.look(&all, &options).came.is_empty(), "nothing changed");
        let second = wildcard.look(&local(&[2, 3]), &options);
        assert_eq!(addresses(&second.came), local(&[3]));
        assert_eq!(second.gone, [SocketAddr::new(Ipv4Addr::new(127, 77, 0, 1).into(), wildcard.address.port())]);
        assert!(first.notes.is_empty() && second.notes.is_empty());
    }

    #[test]
    fn beyond_the_bound_the_wildcard_answers_and_that_is_told_once() {
        let (_held, mut wildcard) = wildcard(2);
        let changed = wildcard.look(&local(&[1, 2, 3, 4]), &Options::default());
        assert_eq!((changed.came.len(), changed.notes.len()), (2, 1));
        assert!(changed.notes[0].contains("the other 2"), "{:?}", changed.notes);
        assert!(wildcard.look(&local(&[1, 2, 3, 4, 5]), &Options::default()).notes.is_empty());
        // A place that becomes free is taken.
        assert_eq!(wildcard.look(&local(&[2, 3, 4]), &Options::default()).came.len(), 1);
    }

    #[test]
    fn one_that_cannot_be_bound_is_told_once_and_tried_again() {
        let (_held, mut wildcard) = wildcard(8);
        // Somebody who shares with nobody holds it: not on the wildcard's port, which would be refused to him.
        wildcard
            .address
            .set_port(UdpSocket::bind("127.77.0.9:0").map(|held| held.local_addr().unwrap().port()).unwrap());
        let held = UdpSocket::bind(("127.77.0.9", wildcard.address.port())).unwrap();
        let changed = wildcard.look(&local(&[9]), &Options::default());
        assert_eq!((changed.came.len(), changed.notes.len()), (0, 1));
        assert!(changed.notes[0].contains("127.77.0.9"), "{:?}", changed.notes);
        assert!(wildcard.look(&local(&[9]), &Options::default()).notes.is_empty());
        drop(held);
        assert_eq!(addresses(&wildcard.look(&local(&[9]), &Options::default()).came), local(&[9]));
    }
}
