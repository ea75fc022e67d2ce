//! Sets of countries that a place set may name.

use super::CountryCode;

const fn codes<const N: usize>(codes: [&str; N]) -> [CountryCode; N] {
    let mut out = [CountryCode::of_table("ZZ"); N];
    let mut i = 0;
    while i < N {
        out[i] = CountryCode::of_table(codes[i]);
        i += 1;
    }
    out
}

/// The 27 members of the European Union, by code. Greece is `GR` here, as in ISO 3166-1, not `EL`.
pub const EU27: &[CountryCode] = &codes([
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
    "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
]);

/// The European Economic Area, by code: the Union with Iceland, Liechtenstein and Norway.
pub const EEA: &[CountryCode] = &codes([
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT", "LI", "LT",
    "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
]);
