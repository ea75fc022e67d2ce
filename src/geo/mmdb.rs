//! One MMDB file → its places.
//!
//! The file is read into memory, not mapped: a file that is replaced or cut while it is mapped would end the process.
//! Every record that a look-up can reach is decoded here, once, so what is corrupt shows now and never later. Three
//! passes, each on all cores: the tree is walked in parts and the records that it leads to are marked; these are decoded,
//! in the order of the file; then the parts are put together.

use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use maxminddb::{MaxMindDbError, Reader};

use super::data::{Data, DataFault};
use super::database::{DatabaseInfo, Fields, Layer};
use super::error::GeoError;
use super::marks::Marks;
use super::parallel;
use super::places::{PlaceId, PlacesBuilder};
use super::tree::{Family, Part, Tree, TreeFault, Visits};
use crate::config::regular;
use crate::world::Place;

const REPLACE: &str = "replace it by a whole copy, or take it out of `databases`";

/// What is wrong inside a file.
enum Fault {
    Tree(TreeFault),
    Data(DataFault),
    Reader(MaxMindDbError),
    NothingKnown,
}

impl From<TreeFault> for Fault {
    fn from(fault: TreeFault) -> Self {
        Self::Tree(fault)
    }
}

impl From<DataFault> for Fault {
    fn from(fault: DataFault) -> Self {
        Self::Data(fault)
    }
}

impl From<MaxMindDbError> for Fault {
    fn from(fault: MaxMindDbError) -> Self {
        Self::Reader(fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tree(fault) => write!(f, "corrupt: {fault}"),
            Self::Data(fault) => write!(f, "corrupt: {fault}"),
            Self::Reader(fault) => write!(f, "corrupt: {fault}"),
            Self::NothingKnown => f.write_str("no record has a country, coordinates or an AS number"),
        }
    }
}

/// Reads a whole database.
pub(super) fn read(path: &Path) -> Result<Layer, GeoError> {
    let bytes = read_file(path)?;
    let reader = open(path, &bytes)?;
    walk(&reader, &bytes, path).map_err(|fault| {
        let remedy = match fault {
            Fault::NothingKnown => "give a country, city or ASN database instead",
            _ => REPLACE,
        };
        GeoError::at(path, fault, remedy)
    })
}

/// What one database says of the /24 or /56 around an address; nothing where it lacks the family.
pub(super) fn read_one(path: &Path, address: IpAddr) -> Result<Place, GeoError> {
    let bytes = read_file(path)?;
    let reader = open(path, &bytes)?;
    if address.is_ipv6() && reader.metadata().ip_version != 6 {
        return Ok(Place::default());
    }
    let place = || -> Result<Place, Fault> {
        let offset = reader.lookup(network_address(address))?.offset();
        let mut data = Data::new(tree(&reader, &bytes).data());
        Ok(offset.map(|offset| data.place(offset)).transpose()?.unwrap_or_default())
    };
    place().map_err(|fault| GeoError::at(path, fault, REPLACE))
}

/// The tree and the data, without the metadata behind them: nothing may point into those.
fn tree<'a>(reader: &Reader<&[u8]>, bytes: &'a [u8]) -> Tree<'a> {
    let marker = bytes.windows(METADATA_MARKER.len()).rposition(|window| window == METADATA_MARKER);
    Tree::new(&bytes[..marker.unwrap_or(bytes.len())], reader.metadata().node_count, reader.metadata().record_size)
}

fn read_file(path: &Path) -> Result<Vec<u8>, GeoError> {
    let refused = |fault: std::io::Error| GeoError::at(path, fault, "check the path and its permissions");
    regular::read(path).map_err(|fault| match fault.kind() {
        ErrorKind::InvalidInput | ErrorKind::IsADirectory => {
            GeoError::at(path, "not a file", "give the path of an .mmdb file")
        }
        _ => refused(fault),
    })
}

fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<Reader<&'a [u8]>, GeoError> {
    if bytes.is_empty() {
        return Err(GeoError::at(path, "the file is empty", REPLACE));
    }
    Reader::from_source(bytes).map_err(|fault| {
        let unmarked = !bytes.windows(METADATA_MARKER.len()).any(|window| window == METADATA_MARKER);
        if unmarked {
            return GeoError::at(path, "no MMDB file, or one that was cut short", REPLACE);
        }
        GeoError::at(path, Fault::Reader(fault), REPLACE)
    })
}

/// Stands before the metadata, which end every MMDB file.
const METADATA_MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// The first address of the /24 or /56 around an address.
pub(super) fn network_address(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & 0xffff_ff00).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 72 << 72).into(),
    }
}

/// Records that one thread decodes at a time.
const DECODED_AT_A_TIME: usize = 8192;

fn walk(reader: &Reader<&[u8]>, bytes: &[u8], path: &Path) -> Result<Layer, Fault> {
    let metadata = reader.metadata();
    let tree = tree(reader, bytes);
    let (visits, marks) = (tree.visits(), Marks::new(tree.data().len()));
    let v4_root = if metadata.ip_version == 6 { tree.ipv4_root()? } else { 0 };
    let v4 = Walked::all(&tree, v4_root, Family::V4, &visits, &marks, |key| key as u32)?;
    let v6 = match metadata.ip_version {
        6 => Walked::all(&tree, 0, Family::V6, &visits, &marks, |key| key)?,
        _ => Vec::new(),
    };

    let numbers = marks.number();
    let offsets: Vec<u32> = numbers.positions().collect();
    let chunks: Vec<&[u32]> = offsets.chunks(DECODED_AT_A_TIME).collect();
    let decoded = parallel::each(&chunks, |chunk| {
        let mut data = Data::new(tree.data());
        chunk.iter().map(|&offset| data.place(offset as usize)).collect::<Result<Vec<Place>, _>>()
    });
    let mut builder = PlacesBuilder::default();
    let mut ids: Vec<PlaceId> = Vec::with_capacity(offsets.len());
    for places in decoded {
        ids.extend(places?.iter().map(|place| builder.intern(place)));
    }
    let id = |record: u32| tree.offset(record).map_or_else(PlaceId::default, |offset| ids[numbers.of(offset)]);
    let networks =
        v4.iter().map(|walked| walked.networks).sum::<usize>() + v6.iter().map(|walked| walked.networks).sum::<usize>();
    builder.reserve(v4.iter().map(|walked| walked.runs.len()).sum(), v6.iter().map(|walked| walked.runs.len()).sum());
    for walked in v4 {
        walked.runs.into_iter().for_each(|(start, record)| builder.push_v4(start, id(record)));
    }
    for walked in v6 {
        walked.runs.into_iter().for_each(|(start, record)| builder.push_v6(start, id(record)));
    }

    let places = builder.finish();
    let fields = Fields::of_any(&places);
    if networks > 0 && fields.is_empty() {
        return Err(Fault::NothingKnown);
    }
    let info = DatabaseInfo {
        path: Some(path.into()),
        kind: metadata.database_type.clone(),
        built: metadata.build_epoch,
        networks,
        fields,
    };
    Ok(Layer { info, places })
}

/// What is in one part of the tree.
struct Walked<K> {
    /// (first /24 or /56 number, record), neighbours joined.
    runs: Vec<(K, u32)>,
    /// Networks with a record.
    networks: usize,
}

impl<K: Copy + Send> Walked<K> {
    /// Everything below `root`, part by part.
    fn all(
        tree: &Tree<'_>,
        root: u32,
        family: Family,
        visits: &Visits,
        marks: &Marks,
        key: fn(u64) -> K,
    ) -> Result<Vec<Self>, TreeFault> {
        let parts = tree.parts(root, family, visits)?;
        parallel::each(&parts, |&part| Self::part(tree, part, visits, marks, key)).into_iter().collect()
    }

    fn part(tree: &Tree<'_>, part: Part, visits: &Visits, marks: &Marks, key: fn(u64) -> K) -> Result<Self, TreeFault> {
        let mut walked = Self { runs: Vec::new(), networks: 0 };
        for (start, record) in tree.walk(part, visits)? {
            if record != tree.nothing() {
                walked.networks += 1;
            }
            if walked.runs.last().is_some_and(|&(_, last)| last == record) {
                continue;
            }
            walked.runs.push((key(start), record));
            if record != tree.nothing() {
                tree.offset(record).and_then(|offset| marks.mark(offset)).ok_or(TreeFault::Outside)?;
            }
        }
        Ok(walked)
    }
}
