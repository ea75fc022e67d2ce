//! Files read and written a piece at a time.
//!
//! A kernel that does not preempt itself leaves nobody else its processor until a call of it is done: one that moves the
//! tens of megabytes of a large zone or a database holds up those who answer on that processor for ten milliseconds
//! (Linux with `CONFIG_PREEMPT_NONE`, as many servers have it). Between two pieces they have their turn.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// Octets of a call; the kernel moves them in some tens of microseconds.
const PIECE: usize = 1 << 17;

/// Reads a file whole.
///
/// # Errors
/// As [`std::fs::read`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut octets = Vec::new();
    // What a file says of its length is a guess: some have none, and others grow.
    octets.try_reserve(usize::try_from(file.metadata()?.len()).unwrap_or_default())?;
    while (&file).take(PIECE as u64).read_to_end(&mut octets)? > 0 {}
    Ok(octets)
}

/// As [`read`], of a file that must be UTF-8.
///
/// # Errors
/// As [`std::fs::read_to_string`].
pub fn read_to_string(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Writes everything.
///
/// # Errors
/// As [`Write::write_all`].
pub fn write_all(to: &mut impl Write, octets: &[u8]) -> io::Result<()> {
    octets.chunks(PIECE).try_for_each(|piece| to.write_all(piece))
}

/// Makes a file of `octets`, in the place of what it held.
///
/// # Errors
/// As [`std::fs::write`].
pub fn write(path: &Path, octets: &[u8]) -> io::Result<()> {
    write_all(&mut File::create(path)?, octets)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_was_written_in_pieces_is_read_in_pieces() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
            let octets: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            write(&path, &octets).unwrap();
            assert_eq!(read(&path).unwrap(), octets);
        }
        // Files of the kernel say that they have no length.
        assert!(read_to_string(Path::new("/proc/self/status")).unwrap().contains("VmRSS"));
        write(&path, b"caf\xe9").unwrap();
        assert_eq!(read_to_string(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(read(&directory.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn no_call_moves_more_than_a_piece() {
        struct Counted(Vec<usize>);
        impl Write for Counted {
            fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
                self.0.push(octets.len());
                Ok(octets.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut counted = Counted(Vec::new());
        write_all(&mut counted, &vec![7; 2 * PIECE + 1]).unwrap();
        assert_eq!(counted.0, [PIECE, PIECE, 1]);
    }
}
