//! One MMDB file → its places.
//!
//! The file is read into memory, not mapped: a file that is replaced or cut while it is mapped would end the process.
//! Every record that a look-up can reach is decoded here, once, so what is corrupt shows now and never later.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use maxminddb::{MaxMindDbError, Reader};

use super::database::{DatabaseInfo, Fields, Layer};
use super::error::GeoError;
use super::hash::FastMap;
use super::places::{PlaceId, PlacesBuilder};
use super::record::Record;
use super::tree::{Family, Tree, TreeFault};
use crate::world::Place;

const REPLACE: &str = "replace it by a whole copy, or take it out of `databases`";

/// What is wrong inside a file.
enum Fault {
    Tree(TreeFault),
    Reader(MaxMindDbError),
    NothingKnown,
}

impl From<TreeFault> for Fault {
    fn from(fault: TreeFault) -> Self {
        Self::Tree(fault)
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
    place_at(&reader, network_address(address)).map_err(|fault| GeoError::at(path, Fault::Reader(fault), REPLACE))
}

fn read_file(path: &Path) -> Result<Vec<u8>, GeoError> {
    let refused = |fault: std::io::Error| GeoError::at(path, fault, "check the path and its permissions");
    // A pipe or a device could keep a load waiting for ever.
    if !fs::metadata(path).map_err(refused)?.is_file() {
        return Err(GeoError::at(path, "not a file", "give the path of an .mmdb file"));
    }
    fs::read(path).map_err(refused)
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

fn place_at(reader: &Reader<&[u8]>, address: IpAddr) -> Result<Place, MaxMindDbError> {
    let record = reader.lookup(address)?.decode::<Record<'_>>()?;
    Ok(record.map_or_else(Place::default, |record| record.place()))
}

/// The first address of the /24 or /56 around an address.
pub(super) fn network_address(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & 0xffff_ff00).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 72 << 72).into(),
    }
}

fn walk(reader: &Reader<&[u8]>, bytes: &[u8], path: &Path) -> Result<Layer, Fault> {
    let metadata = reader.metadata();
    let tree = Tree::new(bytes, metadata.node_count, metadata.record_size);
    let mut decoder = Decoder::new(reader, tree.nothing());
    let mut networks = 0;

    let v4_root = if metadata.ip_version == 6 { tree.ipv4_root()? } else { 0 };
    tree.walk(v4_root, Family::V4, |start, record| {
        let start = start as u32;
        let id = decoder.place(record, Ipv4Addr::from_bits(start << 8).into())?;
        networks += usize::from(record != tree.nothing());
        decoder.builder.push_v4(start, id);
        Ok::<_, Fault>(())
    })?;
    if metadata.ip_version == 6 {
        tree.walk(0, Family::V6, |start, record| {
            let id = decoder.place(record, Ipv6Addr::from_bits(u128::from(start) << 72).into())?;
            networks += usize::from(record != tree.nothing());
            decoder.builder.push_v6(start, id);
            Ok::<_, Fault>(())
        })?;
    }

    let places = decoder.builder.finish();
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

/// Decodes each record once, however many networks share it.
struct Decoder<'a> {
    reader: &'a Reader<&'a [u8]>,
    nothing: u32,
    builder: PlacesBuilder,
    known: FastMap<u32, PlaceId>,
    last: (u32, PlaceId),
}

impl<'a> Decoder<'a> {
    fn new(reader: &'a Reader<&'a [u8]>, nothing: u32) -> Self {
        let builder = PlacesBuilder::default();
        Self { reader, nothing, builder, known: FastMap::default(), last: (nothing, PlaceId::default()) }
    }

    /// `address` is one where a look-up ends at `record`.
    fn place(&mut self, record: u32, address: IpAddr) -> Result<PlaceId, Fault> {
        if record == self.nothing {
            return Ok(PlaceId::default());
        }
        if record == self.last.0 {
            return Ok(self.last.1);
        }
        let id = match self.known.get(&record) {
            Some(&id) => id,
            None => {
                let id = self.builder.intern(&place_at(self.reader, address)?);
                self.known.insert(record, id);
                id
            }
        };
        self.last = (record, id);
        Ok(id)
    }
}
