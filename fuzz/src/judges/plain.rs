//! A query read in the plainest way, with memory for everything: what the engine's reader is compared with.

use rhumb::wire::Name;

/// What a datagram is by the rules of messages (protocol 2 to 4, 17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plain {
    /// No reply.
    Nothing,
    /// An opcode other than QUERY.
    Opcode(u8),
    /// No question, or more than one, or one that cannot be read; whether there is none but a cookie, as a client that
    /// wants nothing else may send it (RFC 7873 section 5.4).
    /// And whether an OPT is found.
    NoQuestion { with_cookie: bool, with_opt: bool },
    /// A question and what stands behind it.
    Question(Box<Asked>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub name: Name,
    pub qtype: u16,
    pub qclass: u16,
    /// Where the question ends.
    pub end: usize,
    /// The first OPT, if one was found before the first fault.
    pub opt: Option<Opt>,
    /// Whether the records behind the question are whole, and OPT and TSIG are where they may be.
    pub well_formed: bool,
    /// Whether the last record is a TSIG.
    pub signed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opt {
    pub payload: u16,
    pub version: u8,
    pub dnssec_ok: bool,
    /// `None`: one of them runs over.
    pub options: Option<Vec<(u16, Vec<u8>)>>,
}

impl Asked {
    /// Whether the OPT has an option with this code.
    pub fn has_option(&self, code: u16) -> bool {
        self.opt.as_ref().is_some_and(|opt| opt.option(code).is_some())
    }
}

impl Opt {
    /// The data of the first option with this code.
    pub fn option(&self, code: u16) -> Option<&[u8]> {
        let options = self.options.as_ref()?;
        options.iter().find(|(other, _)| *other == code).map(|(_, data)| &data[..])
    }
}

/// Octets that are taken from the front.
struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// Whether the name that ends here is the root; pointers are left where they are.
    fn skip_name(&mut self) -> Option<bool> {
        let mut is_root = true;
        loop {
            match self.u8()? {
                0 => return Some(is_root),
                length @ 1..=63 => self.take(length.into()).map(drop)?,
                0xc0..=0xff => return self.u8().map(|_| false),
                _ => return None,
            }
            is_root = false;
        }
    }

    fn question_name(&mut self) -> Option<Name> {
        let start = self.0;
        let mut length = 0;
        loop {
            let label = self.u8()?;
            length += 1 + usize::from(label);
            if label == 0 {
                return Name::from_wire(&start[..length]).ok();
            }
            if label > 63 || length > 254 {
                return None;
            }
            self.take(label.into())?;
        }
    }
}

/// Reads a datagram.
pub fn read(message: &[u8]) -> Plain {
    let mut rest = Octets(message);
    let Some(header) = rest.take(12) else { return Plain::Nothing };
    if header[2] & 0x80 != 0 {
        return Plain::Nothing;
    }
    let opcode = header[2] >> 3 & 0xf;
    if opcode != 0 {
        return Plain::Opcode(opcode);
    }
    let counts: Vec<u16> = header[4..].chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    let unreadable = Plain::NoQuestion { with_cookie: false, with_opt: false };
    if counts[0] != 1 {
        for _ in 0..counts[0] {
            if rest.skip_name().and_then(|_| rest.take(4)).is_none() {
                return unreadable;
            }
        }
        let Records { opt, well_formed, .. } = records(rest, &counts[1..]);
        let has_cookie = opt.as_ref().is_some_and(|opt| opt.option(10).is_some());
        let with_cookie = counts[0] == 0 && well_formed && has_cookie;
        return Plain::NoQuestion { with_cookie, with_opt: opt.is_some() };
    }
    let question = |rest: &mut Octets<'_>| Some((rest.question_name()?, rest.u16()?, rest.u16()?));
    let Some((name, qtype, qclass)) = question(&mut rest) else { return unreadable };
    let end = message.len() - rest.0.len();
    let Records { opt, well_formed, signed } = records(rest, &counts[1..]);
    Plain::Question(Box::new(Asked { name, qtype, qclass, end, opt, well_formed, signed }))
}

/// What stands in the three sections of records, up to the first fault.
#[derive(Default)]
struct Records {
    /// The first OPT.
    opt: Option<Opt>,
    well_formed: bool,
    signed: bool,
}

fn records(mut rest: Octets<'_>, counts: &[u16]) -> Records {
    let mut records = Records::default();
    for (section, &count) in counts.iter().enumerate() {
        for _ in 0..count {
            // A TSIG is the last record of all (RFC 8945 section 5.1).
            if records.signed || record(&mut rest, section, &mut records).is_none() {
                return records;
            }
        }
    }
    records.well_formed = true;
    records
}

fn record(rest: &mut Octets<'_>, section: usize, records: &mut Records) -> Option<()> {
    let is_root = rest.skip_name()?;
    let (rtype, class) = (rest.u16()?, rest.u16()?);
    let ttl = rest.take(4)?;
    let length = rest.u16()?;
    let data = rest.take(length.into())?;
    if rtype == 250 {
        records.signed = section == 2;
        return records.signed.then_some(());
    }
    if rtype != 41 {
        return Some(());
    }
    let found = &mut records.opt;
    let is_first = found.is_none();
    let opt = Opt { payload: class, version: ttl[1], dnssec_ok: ttl[2] & 0x80 != 0, options: None };
    let opt = found.get_or_insert(opt);
    if !is_root || section != 2 || !is_first {
        return None;
    }
    // Nobody knows the form of options above version 0.
    opt.options = if opt.version == 0 { Some(options(data)?) } else { Some(Vec::new()) };
    // E3: a client subnet that is malformed makes the message so, the second one as well as the first.
    let mut options = opt.options.iter().flatten();
    let is_whole = |(code, data): &(u16, Vec<u8>)| match code {
        8 => subnet(data).is_some(),
        // RFC 7873 section 5.2.2.
        10 => data.len() == 8 || (16..=40).contains(&data.len()),
        // RFC 9660 section 3.1.
        19 => data.is_empty(),
        _ => true,
    };
    if !options.all(is_whole) {
        opt.options = None;
        return None;
    }
    Some(())
}

fn options(data: &[u8]) -> Option<Vec<(u16, Vec<u8>)>> {
    let mut rest = Octets(data);
    let mut options = Vec::new();
    while !rest.0.is_empty() {
        let (code, length) = (rest.u16()?, rest.u16()?);
        options.push((code, rest.take(length.into())?.to_vec()));
    }
    Some(options)
}

/// Family, source prefix length and address of a query's client subnet option (RFC 7871 section 6); `None` is
/// malformed.
pub fn subnet(data: &[u8]) -> Option<(u16, u8, Vec<u8>)> {
    let mut rest = Octets(data);
    let (family, source, scope) = (rest.u16()?, rest.u8()?, rest.u8()?);
    let longest = match family {
        0 => 0,
        1 => 32,
        2 => 128,
        _ => return None,
    };
    let address = rest.0.to_vec();
    let is_well_formed = scope == 0 && source <= longest && address.len() == usize::from(source).div_ceil(8);
    // Bits behind the prefix are zero.
    let spare = address.len() * 8 - if is_well_formed { usize::from(source) } else { 0 };
    let is_clean = address.last().is_none_or(|last| spare >= 8 || last.trailing_zeros() as usize >= spare);
    (is_well_formed && is_clean).then_some((family, source, address))
}
