//! Opens regular files, and nothing else: to open a pipe waits until somebody writes into it, and a device may never end.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a file for reading, if it is a regular one.
pub fn open(path: &Path) -> io::Result<File> {
    // A pipe is opened at once, and then found out.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = match File::options().read(true).custom_flags(flags).open(path) {
        // Somebody has to give a lease back first: of a regular file that is worth to be waited for.
        Err(error) if error.kind() == ErrorKind::WouldBlock && fs::metadata(path)?.is_file() => {
            File::open(path)?
        }
        opened => opened?,
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

/// The number of a process that a pid file holds; none if there is no such file, or no number above 0 in it.
pub fn pid(path: &Path) -> Option<i32> {
    let mut text = String::new();
    open(path).ok()?.take(64).read_to_string(&mut text).ok()?;
    text.trim().parse().ok().filter(|pid| *pid > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let room = tempfile::tempdir().unwrap();
        let pipe = room.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        for path in [pipe, "/dev/zero".into(), room.path().to_path_buf()] {
            let (told, tell) = mpsc::channel();
            let opened = path.clone();
            std::thread::spawn(move || drop(told.send((open(&opened).map(drop), pid(&opened)))));
            let (opened, pid) = tell.recv_timeout(Duration::from_secs(20)).expect("it does not wait");
            assert_eq!(opened.unwrap_err().to_string(), "it is not a regular file", "{}", path.display());
            assert_eq!(pid, None);
        }
    }

    #[test]
    fn a_pid_is_a_number_above_0() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("pid");
        assert_eq!(pid(&path), None);
        let long = "0".repeat(100) + "7";
        for (text, expected) in
            [(" 17\n", Some(17)), ("-1", None), ("0", None), ("x", None), ("", None), (&long, None)]
        {
            std::fs::write(&path, text).unwrap();
            assert_eq!(pid(&path), expected, "{text}");
        }
    }
}
