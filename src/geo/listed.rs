//! Networks that a person listed: `net:` and ip rules, `[networks]`, the latency table.

use std::net::IpAddr;

use ipnet::IpNet;

/// An index into one [`Listed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetId(u32);

/// Distinct networks with the nearest one around each. Sorted by family, first address and length, so that a network
/// stands before all that it contains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    nets: Vec<IpNet>,
    parents: Vec<Option<NetId>>,
}

impl Listed {
    /// Host bits are cleared and duplicates dropped.
    pub fn new(nets: impl IntoIterator<Item = IpNet>) -> Self {
        let mut nets: Vec<IpNet> = nets.into_iter().map(|net| net.trunc()).collect();
        nets.sort_by_key(|net| (net.addr(), net.prefix_len()));
        nets.dedup();
        let mut parents = Vec::with_capacity(nets.len());
        let mut around: Vec<NetId> = Vec::new();
        for (index, net) in nets.iter().enumerate() {
            while around.last().is_some_and(|&NetId(outer)| !nets[outer as usize].contains(net)) {
                around.pop();
            }
            parents.push(around.last().copied());
            around.push(NetId(index as u32));
        }
        Self { nets, parents }
    }

    /// Every network with its id, in order.
    pub fn iter(&self) -> impl Iterator<Item = (NetId, IpNet)> + '_ {
        self.nets.iter().enumerate().map(|(index, &net)| (NetId(index as u32), net))
    }

    /// The network of an id.
    pub fn net(&self, id: NetId) -> IpNet {
        self.nets[id.0 as usize]
    }

    /// `innermost` and all around it, the longest first.
    pub fn chain(&self, innermost: Option<NetId>) -> impl Iterator<Item = IpNet> + '_ {
        std::iter::successors(innermost, |&NetId(index)| self.parents[index as usize]).map(|id| self.net(id))
    }

    /// The longest network around `address` that is at most `len` bits long.
    pub fn innermost(&self, address: IpAddr, len: u8) -> Option<NetId> {
        let after = self.nets.partition_point(|net| net.addr() <= address);
        let nearest = NetId(after.checked_sub(1)? as u32);
        std::iter::successors(Some(nearest), |&NetId(index)| self.parents[index as usize])
            .find(|&id| self.net(id).contains(&address) && self.net(id).prefix_len() <= len)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_innermost_network_is_what_trying_all_finds(
            nets in proptest::collection::vec((0u32..64, 0u8..=32), 0..20), address in 0u32..64, len in 0u8..=32,
        ) {
            // Six leading bits that vary, so that networks nest often.
            let v4 = |bits: u32| IpAddr::from(std::net::Ipv4Addr::from(bits << 26 | bits & 3));
            let listed = Listed::new(nets.iter().map(|&(bits, len)| IpNet::new(v4(bits), len).unwrap()));
            let expected = nets.iter()
                .map(|&(bits, len)| IpNet::new(v4(bits), len).unwrap().trunc())
                .filter(|net| net.prefix_len() <= len && net.contains(&v4(address)))
                .max_by_key(|net| net.prefix_len());
            prop_assert_eq!(listed.innermost(v4(address), len).map(|id| listed.net(id)), expected);
        }
    }
}
