//! Which databases there are, what each gives, and all of them as one list.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::complete::{complete, fill, map, settle};
use super::embedded;
use super::error::GeoError;
use super::mmdb;
use super::places::Places;
use crate::world::Place;

/// From this age on a database is worth a warning.
pub const STALE_AFTER: Duration = Duration::from_secs(60 * 24 * 60 * 60);

/// Something that a database can say of a network. The continent is none: it is derived from the country (GL4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// ISO 3166-1.
    Country,
    /// ISO 3166-2.
    Subdivision,
    /// Latitude and longitude.
    Coordinates,
    /// The number of the autonomous system.
    Asn,
}

impl Field {
    /// All four, from the one that decides most.
    pub const ALL: [Self; 4] = [Self::Country, Self::Subdivision, Self::Coordinates, Self::Asn];

    fn is_in(self, place: &Place) -> bool {
        match self {
            Self::Country => place.country.is_some(),
            Self::Subdivision => place.subdivision.is_some(),
            Self::Coordinates => place.at.is_some(),
            Self::Asn => place.asn.is_some(),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Country => "country",
            Self::Subdivision => "subdivision",
            Self::Coordinates => "coordinates",
            Self::Asn => "asn",
        })
    }
}

/// A set of [`Field`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields(u8);

impl Fields {
    /// The fields that a place has.
    pub fn of(place: &Place) -> Self {
        Field::ALL.into_iter().filter(|field| field.is_in(place)).fold(Self::default(), Self::with)
    }

    /// The fields that at least one place of a list has.
    pub fn of_any(places: &Places) -> Self {
        places.ids().fold(Self::default(), |all, id| Self(all.0 | Self::of(places.place(id)).0))
    }

    fn with(self, field: Field) -> Self {
        Self(self.0 | 1 << field as u8)
    }

    /// Whether a field is in the set.
    pub fn has(self, field: Field) -> bool {
        self.0 & 1 << field as u8 != 0
    }

    /// Whether all of `other` are in the set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The fields in the set, in the order of [`Field::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Field> {
        Field::ALL.into_iter().filter(move |&field| self.has(field))
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.iter().map(|field| field.to_string()).collect();
        f.write_str(&names.join(", "))
    }
}

/// A database that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseInfo {
    /// Where it was read from; `None` is the world database embedded in the binary.
    pub path: Option<PathBuf>,
    /// What it calls itself, such as `GeoLite2-City`.
    pub kind: String,
    /// When its maker built it, in seconds since 1970 (UTC).
    pub built: u64,
    /// How many networks it tells apart, no narrower than /24 and /56.
    pub networks: usize,
    /// What it says of at least one network.
    pub fields: Fields,
}

impl DatabaseInfo {
    /// The path, or `embedded`.
    pub fn name(&self) -> String {
        self.path.as_ref().map_or_else(|| "embedded".into(), |path| path.display().to_string())
    }

    /// How long ago it was built; zero for one that claims to be of the future.
    pub fn age(&self, now: SystemTime) -> Duration {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(Duration::from_secs(self.built))
    }

    /// Whether it is older than [`STALE_AFTER`].
    pub fn is_stale(&self, now: SystemTime) -> bool {
        self.age(now) > STALE_AFTER
    }
}

/// One database: what it is, and its places as it says them, not completed by anything.
pub(super) struct Layer {
    pub(super) info: DatabaseInfo,
    pub(super) places: Places,
}

/// All databases and last the embedded one, as one list, and what each is. Takes about a second for a database of
/// cities; does not read the same file again later.
///
/// # Errors
/// The first database that cannot be read or is corrupt.
pub fn load(databases: &[PathBuf]) -> Result<(Places, Vec<DatabaseInfo>), GeoError> {
    let mut layers = databases.iter().map(|path| mmdb::read(path)).chain(std::iter::once_with(embedded::read));
    let mut infos = Vec::with_capacity(databases.len() + 1);
    let mut places: Option<Places> = None;
    layers.try_for_each(|layer| {
        let Layer { info, places: next } = layer?;
        places = Some(match places.take() {
            Some(base) => complete(&base, &next, info.fields),
            None => next,
        });
        infos.push(info);
        Ok(())
    })?;
    Ok((map(places.unwrap_or_default(), settle), infos))
}

/// What one database alone says, not completed by any other.
///
/// # Errors
/// It cannot be read or is corrupt.
pub fn read(path: &Path) -> Result<(Places, DatabaseInfo), GeoError> {
    mmdb::read(path).map(|Layer { info, places }| (places, info))
}

/// As [`read`], of the /24 or /56 around one address, by a look-up of that address and nothing else.
///
/// # Errors
/// The file cannot be read, or is corrupt where the address leads.
pub fn read_one(path: &Path, address: IpAddr) -> Result<Place, GeoError> {
    mmdb::read_one(path, address)
}

/// The world as the embedded database alone knows it.
///
/// # Errors
/// Only when the binary itself is damaged.
pub fn world() -> Result<Places, GeoError> {
    load(&[]).map(|(places, _)| places)
}

/// Where a field of a place comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A database of the operator.
    Database(PathBuf),
    /// The embedded world database.
    Embedded,
    /// The centre of population of this subdivision or country, from our tables.
    CentreOf(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(path) => write!(f, "{}", path.display()),
            Self::Embedded => f.write_str("embedded"),
            Self::CentreOf(code) => write!(f, "centre of population of {code}"),
        }
    }
}

/// The place of the /24 or /56 around an address, and for each field that it has, where that comes from. The place is
/// the one that [`load`] gives. Reads the files again: for explaining, not for answering.
///
/// # Errors
/// As [`load`].
pub fn describe(databases: &[PathBuf], address: IpAddr) -> Result<(Place, Vec<(Field, Origin)>), GeoError> {
    let mut place = Place::default();
    let mut origins = Vec::new();
    let mut take = |next: &Place, origin: Origin| {
        let filled = fill(place, next);
        let new = Field::ALL.into_iter().filter(|field| field.is_in(&filled) && !field.is_in(&place));
        origins.extend(new.map(|field| (field, origin.clone())));
        place = filled;
    };
    for path in databases {
        take(&read_one(path, address)?, Origin::Database(path.clone()));
    }
    let world = embedded::read()?.places;
    take(world.place(world.lookup(address)), Origin::Embedded);

    let settled = settle(place);
    if settled.at.is_some() && place.at.is_none() {
        let subdivision = place.subdivision.filter(|code| crate::world::subdivision(code.as_str()).is_some());
        let code = subdivision.map(|s| s.to_string()).or_else(|| place.country.map(|c| c.to_string()));
        origins.extend(code.map(|code| (Field::Coordinates, Origin::CentreOf(code))));
    }
    origins.sort_by_key(|&(field, _)| field);
    Ok((settled, origins))
}
