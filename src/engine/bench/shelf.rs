//! What people do without a tool: copies of files as they are, or compressed one by one, or one compressed archive of all. A file that looks as it
//! did at the last backup is not stored again; an archive is always made anew.
//!
//! This runs in a process of its own, so that what it uses can be measured.

use crate::engine::bench::error::Error;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where what was stored of a file is noted, in the repository.
const NOTES: &str = "notes";

/// How files are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// As they are.
    Plain,
    /// gzip, level 6.
    Gzip,
    /// zstd, level 3.
    Zstd3,
    /// zstd, level 19.
    Zstd19,
    /// xz, level 6.
    Xz,
    /// All in one archive, zstd level 3.
    TarZst,
}

impl Codec {
    /// All of them, with the words of the command line.
    pub const ALL: [(&'static str, Self); 6] = [
        ("plain", Self::Plain),
        ("gzip", Self::Gzip),
        ("zstd-3", Self::Zstd3),
        ("zstd-19", Self::Zstd19),
        ("xz", Self::Xz),
        ("tar.zst", Self::TarZst),
    ];

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, codec)| codec)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, codec)| *codec == self).map_or("", |(name, _)| name)
    }

    fn encode(self, input: &mut dyn Read, mut output: File) -> io::Result<()> {
        match self {
            Self::Plain => drop(io::copy(input, &mut output)?),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(output, flate2::Compression::new(6));
                io::copy(input, &mut encoder)?;
                encoder.finish()?;
            }
            Self::Zstd3 | Self::TarZst => zstd::stream::copy_encode(input, output, 3)?,
            Self::Zstd19 => zstd::stream::copy_encode(input, output, 19)?,
            Self::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(output, 6);
                io::copy(input, &mut encoder)?;
                encoder.finish()?;
            }
        }
        Ok(())
    }

    fn decoder(self, input: File) -> io::Result<Box<dyn Read>> {
        Ok(match self {
            Self::Plain => Box::new(input),
            Self::Gzip => Box::new(flate2::read::GzDecoder::new(BufReader::new(input))),
            Self::Zstd3 | Self::Zstd19 | Self::TarZst => Box::new(zstd::Decoder::new(input)?),
            Self::Xz => Box::new(liblzma::read::XzDecoder::new(BufReader::new(input))),
        })
    }
}

/// Stores what is below `node` as backup `number` in `repository`.
pub fn store(codec: Codec, node: &Path, repository: &Path, number: u32) -> Result<(), Error> {
    let place = repository.join(format!("{number:06}"));
    fs::create_dir_all(&place).map_err(Error::of(&place))?;
    if codec == Codec::TarZst {
        let path = place.join("all.tar.zst");
        return pack(node, &path).map_err(Error::of(&path));
    }
    for file in files_below(node)? {
        let relative = relative(node, &file);
        let looks = looks(&file).map_err(Error::of(&file))?;
        let noted_at = repository.join(NOTES).join(&relative);
        if fs::read_to_string(&noted_at).is_ok_and(|text| text.starts_with(&looks)) {
            continue;
        }
        let path = place.join(&relative);
        encode_file(codec, &file, &path).map_err(Error::of(&path))?;
        write(&noted_at, &format!("{looks}{number:06}")).map_err(Error::of(&noted_at))?;
    }
    Ok(())
}

/// Writes the newest of everything into `target`.
pub fn restore(codec: Codec, repository: &Path, target: &Path) -> Result<(), Error> {
    if codec == Codec::TarZst {
        return unpack(repository, target).map_err(Error::of(target));
    }
    let notes = repository.join(NOTES);
    for path in files_below(&notes)? {
        let relative = relative(&notes, &path);
        let text = fs::read_to_string(&path).map_err(Error::of(&path))?;
        let stored = repository.join(text.rsplit(' ').next().unwrap_or_default()).join(&relative);
        let path = target.join(&relative);
        decode_file(codec, &stored, &path).map_err(Error::of(&path))?;
    }
    Ok(())
}

fn encode_file(codec: Codec, from: &Path, to: &Path) -> io::Result<()> {
    make_parent(to)?;
    let file = File::create(to)?;
    codec.encode(&mut File::open(from)?, file.try_clone()?)?;
    file.sync_all()
}

fn decode_file(codec: Codec, from: &Path, to: &Path) -> io::Result<()> {
    make_parent(to)?;
    let mut out = BufWriter::with_capacity(1 << 20, File::create(to)?);
    io::copy(&mut codec.decoder(File::open(from)?)?, &mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn pack(node: &Path, path: &Path) -> io::Result<()> {
    let file = File::create(path)?;
    let mut archive = tar::Builder::new(zstd::Encoder::new(file.try_clone()?, 3)?);
    archive.sparse(false);
    archive.append_dir_all(".", node)?;
    archive.into_inner()?.finish()?;
    file.sync_all()
}

fn unpack(repository: &Path, target: &Path) -> io::Result<()> {
    let mut backups: Vec<PathBuf> =
        fs::read_dir(repository)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    backups.sort();
    let newest = backups.pop().unwrap_or_default().join("all.tar.zst");
    tar::Archive::new(zstd::Decoder::new(File::open(newest)?)?).unpack(target)
}

/// Length and time of a file: one that looks the same is taken for the same.
fn looks(path: &Path) -> io::Result<String> {
    let found = fs::metadata(path)?;
    Ok(format!("{} {}.{} ", found.len(), found.mtime(), found.mtime_nsec()))
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    make_parent(path)?;
    File::create(path)?.write_all(text.as_bytes())
}

fn relative(root: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(root).unwrap_or(path).to_path_buf()
}

/// All files below a directory, in order.
pub(super) fn files_below(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let (mut found, mut waiting) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).map_err(Error::of(&directory))? {
            let entry = entry.map_err(Error::of(&directory))?;
            let kind = entry.file_type().map_err(Error::of(&entry.path()))?;
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Bytes of all files below a directory, but those that are called `except`.
pub(super) fn size(root: &Path, except: &[&str]) -> Result<u64, Error> {
    let mut sum = 0;
    for path in files_below(root)? {
        let left_out =
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| except.contains(&name));
        if !left_out && !path.starts_with(root.join(NOTES)) {
            sum += fs::metadata(&path).map_err(Error::of(&path))?.len();
        }
    }
    Ok(sum)
}
