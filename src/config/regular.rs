//! Files that a configuration names are read here: regular ones only. A device may have no end, and a pipe may keep a
//! load waiting for ever for somebody who writes. `/dev/null` is as good as an empty file, and people use it so.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::pieces;

/// What stands at a path and is no file.
const OTHER: &str = "it is a device, a pipe or a socket, not a file";

/// Reads a file whole.
///
/// # Errors
/// It cannot be read, or is no regular file; that is told without opening it, since opening alone may wait.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    admit(&fs::metadata(path)?)?;
    pieces::read(path)
}

/// As [`read`], of a file that must be UTF-8.
///
/// # Errors
/// As [`read`], and other bytes.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    admit(&fs::metadata(path)?)?;
    pieces::read_to_string(path)
}

/// The number of `/dev/null` (Linux, Documentation/admin-guide/devices.txt).
const NULL: u64 = 1 << 8 | 3;

/// Refuses what is no regular file.
pub(super) fn admit(meta: &fs::Metadata) -> io::Result<()> {
    match meta {
        meta if meta.is_file() => Ok(()),
        meta if meta.file_type().is_char_device() && meta.rdev() == NULL => Ok(()),
        meta if meta.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, OTHER)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_file_is_read_and_a_link_followed_and_a_device_or_a_pipe_refused_unopened() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::write(at("file"), "text").unwrap();
        std::os::unix::fs::symlink("file", at("link")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("zero")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        assert_eq!(read(&at("link")).unwrap(), b"text");
        assert_eq!(read_to_string(&at("file")).unwrap(), "text");
        assert_eq!(read_to_string(Path::new("/dev/null")).unwrap(), "");
        for other in ["zero", "pipe", "socket"] {
            assert_eq!(read(&at(other)).unwrap_err().to_string(), OTHER, "{other}");
            assert_eq!(read_to_string(&at(other)).unwrap_err().to_string(), OTHER, "{other}");
        }
        assert_eq!(read(place.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }
}
