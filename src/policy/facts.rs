//! What the policies may know of a client.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::question::{member_place, member_region};
use crate::config::model::{LatencyRow, Location, Member, Model, Policy, Route};
use crate::geo::{PlaceId, Places};
use crate::world::{LatLon, Place, distance_m};

/// What holds for every client of one model: the operator's own places and the measured latencies.
#[derive(Debug, Default)]
pub struct Context {
    pub(super) networks: HashMap<IpNet, Place>,
    pub(super) unknown: Option<Place>,
    /// Tenths of a millisecond by client and label.
    pub(super) latencies: HashMap<(Location, String), u32>,
}

impl Context {
    /// Indexes the parts of the model that speak of clients.
    pub fn new(model: &Model) -> Self {
        let latencies =
            model.latencies.iter().map(|LatencyRow { client, region, tenths }| ((*client, region.clone()), *tenths));
        Self {
            networks: model.server.networks.iter().map(|&(net, place)| (net.trunc(), place)).collect(),
            unknown: model.server.unknown,
            latencies: latencies.collect(),
        }
    }

    /// Networks with a place of their own.
    pub fn networks(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.networks.keys().copied()
    }

    /// Networks of the latency table.
    pub fn latency_networks(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.latencies.keys().filter_map(|(client, _)| match client {
            Location::Net(net) => Some(*net),
            _ => None,
        })
    }

    /// Whether anything was measured.
    pub fn has_latencies(&self) -> bool {
        !self.latencies.is_empty()
    }
}

/// One client, or one class of clients that nothing tells apart.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Where it is; `[networks]` and `unknown` are laid over the databases.
    pub place: Place,
    /// The listed networks around it, the longest first.
    pub nets: Vec<IpNet>,
    context: &'a Context,
}

impl<'a> Facts<'a> {
    /// `nets` are those that match by E2, the longest first.
    pub fn new(context: &'a Context, from_databases: &Place, nets: Vec<IpNet>) -> Self {
        let place = match nets.iter().find_map(|net| context.networks.get(net)) {
            Some(own) => *own,
            None if from_databases.is_unknown() => context.unknown.unwrap_or_default(),
            None => *from_databases,
        };
        Self { place, nets, context }
    }

    /// The facts of a client prefix by E2, for explaining: `len` is 32 or 128 for a sender's own address.
    pub fn of_client(
        context: &'a Context,
        places: &Places,
        listed: &crate::geo::Listed,
        address: IpAddr,
        len: u8,
    ) -> Self {
        let place: PlaceId = places.lookup(address);
        let nets = listed.chain(listed.innermost(address, len)).collect();
        Self::new(context, places.place(place), nets)
    }

    /// The locations that hold this client, the most specific first (GL1); [`Location::Default`] holds everyone and
    /// is not among them.
    pub fn locations(&self) -> impl Iterator<Item = Location> + '_ {
        let place = &self.place;
        let by_place = [
            place.asn.map(Location::Asn),
            place.subdivision.map(Location::Subdivision),
            place.country.map(Location::Country),
            place.continent.map(Location::Continent),
        ];
        self.nets.iter().map(|&net| Location::Net(net)).chain(by_place.into_iter().flatten())
    }

    /// Latency to a region in tenths of a millisecond and the row that says so; the longest match first (L2).
    pub fn measured(&self, region: &str) -> Option<(u32, Location)> {
        if !self.context.has_latencies() {
            return None;
        }
        self.locations().find_map(|client| {
            let tenths = self.context.latencies.get(&(client, region.to_owned()))?;
            Some((*tenths, client))
        })
    }

    /// What a policy sees in a member for this client, in words; `None` where the policy does not look.
    pub fn measure(&self, model: &Model, route: &Route, member: &Member) -> Option<String> {
        let metres = || member_place(model, member).and_then(|at| self.distance(at));
        match route.policy {
            Policy::Geolocation | Policy::Ip => {
                let mut locations = self.locations().chain([Location::Default]);
                locations.find(|location| member.locations.contains(location)).map(|location| location.to_string())
            }
            Policy::Geoproximity => metres().map(|metres| {
                let biased = biased_distance(metres, member.bias) as f64 / 1e6;
                match member.bias {
                    0 => format!("{:.1} km", f64::from(metres) / 1000.0),
                    bias => format!("{biased:.1} km ({:.1} km at {bias:+})", f64::from(metres) / 1000.0),
                }
            }),
            Policy::Latency => {
                let measured = member_region(model, member).and_then(|region| self.measured(region));
                let estimate = || metres().map(|metres| (estimated_latency(metres), format!("{} km", metres / 1000)));
                let (tenths, source) = measured.map(|(tenths, row)| (tenths, row.to_string())).or_else(estimate)?;
                Some(format!("{:.1} ms ({source})", f64::from(tenths) / 10.0))
            }
            _ => None,
        }
    }

    /// Whole metres to a point, when this client's place has coordinates.
    pub fn distance(&self, to: LatLon) -> Option<u32> {
        self.place.at.map(|at| distance_m(at, to))
    }
}

/// The estimate of L2: 5 ms and a millisecond every 66 km, in tenths.
pub(super) fn estimated_latency(metres: u32) -> u32 {
    50 + metres / 6600
}

/// Biased distance (Geoproximity) in millimetres.
pub(super) fn biased_distance(metres: u32, bias: i8) -> u64 {
    let millimetres = u64::from(metres) * 1000;
    let bias = i64::from(bias);
    if bias >= 0 {
        millimetres * (100 - bias).unsigned_abs() / 100
    } else {
        millimetres * 100 / (100 + bias).unsigned_abs()
    }
}
