//! A zip of one file: read from its end, as zips are meant to be, and written as Java's `ZipOutputStream` writes it.
//!
//! Reading is wide (any well-formed zip of one stored or deflated file), writing is narrow (exactly one form). So a zip of
//! another program is read, too, but has no recipe. Offsets and lengths are checked before they are used.

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use std::io;
use std::io::Read;
use std::io::Write;

/// What rebuilds a zip from the file inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Name of the entry, as in the zip (`axonserver-controldb.mv.db`).
    pub entry_name: String,
    /// DOS time and date, as in the zip (low word time, high word date).
    pub dos_time: u32,
    /// Length of the zip in bytes.
    pub zip_length: u64,
}

/// A zip, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenApart {
    /// Name of the entry: a file name, never a path.
    pub entry_name: String,
    /// The file inside.
    pub inner: Vec<u8>,
    /// How to rebuild the zip, proven; none if it was made by something else than Java's deflate: then the zip itself has to be kept.
    pub recipe: Option<Recipe>,
}

/// Why a file is not a control-db zip.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZipError {
    /// No zip at all, or a torn one.
    #[error("not a whole zip: {0}")]
    NotAZip(&'static str),
    /// A zip of a file of 4 GiB or more: no server wrote one yet.
    #[error("a zip of 4 GiB or more (zip64) is not read")]
    Zip64,
    /// The CRC-32 of the file inside does not fit.
    #[error("the CRC-32 of the file inside does not fit")]
    Checksum,
    /// Not one entry, or not a database.
    #[error("it holds {0}, not one H2 database")]
    Content(&'static str),
}

/// What Java's deflate uses where nothing is set.
const LEVEL: Compression = Compression::new(6);
const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// The version that Java writes: 2.0.
const VERSION: u16 = 20;
/// A data descriptor follows; the name is UTF-8.
const FLAGS: u16 = 0x0808;
const ENCRYPTED: u16 = 1;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const LOCAL_LENGTH: u32 = 30;
const END_LENGTH: usize = 22;
/// The longest comment there can be behind the end.
const COMMENT: usize = 65_535;

/// The longest name that file systems take, in bytes.
const NAME_MAX: usize = 255;

/// Takes a control-db zip apart and tries the recipe. `limit` bounds the bytes of the file inside (a zip bomb ends in an error).
pub fn take_apart(zip: &[u8], limit: u64) -> Result<TakenApart, ZipError> {
    let entry = only_entry(zip)?;
    let entry_name = file_name(entry.name)?;
    if u64::from(entry.size) > limit {
        return Err(ZipError::Content("more bytes than allowed"));
    }
    let inner = unpack(&entry, data(zip, &entry)?)?;
    let recipe =
        Recipe { entry_name: entry_name.clone(), dos_time: entry.dos_time, zip_length: zip.len() as u64 };
    let proven = rebuild(&recipe, &inner) == zip;
    Ok(TakenApart { entry_name, inner, recipe: proven.then_some(recipe) })
}

/// Rebuilds the zip from the file inside. The caller compares its hash with that of the original.
pub fn rebuild(recipe: &Recipe, inner: &[u8]) -> Vec<u8> {
    let crc = crc32fast::hash(inner);
    let name = recipe.entry_name.as_bytes();
    let name_length = u16::try_from(name.len()).unwrap_or(u16::MAX);
    let deflated = deflate(inner);
    let sums = Bytes::new().u32(crc).u32(clipped(deflated.len())).u32(clipped(inner.len())).0;
    let common = Bytes::new().u16(VERSION).u16(FLAGS).u16(DEFLATED).u32(recipe.dos_time).0;

    let local = Bytes::new().u32(LOCAL).all(&common).all(&[0; 12]).u16(name_length).u16(0).all(name);
    let file = local.all(&deflated).u32(DESCRIPTOR).all(&sums);
    let at = clipped(file.0.len());
    let central = Bytes::new().u32(CENTRAL).u16(VERSION).all(&common).all(&sums).u16(name_length);
    let central = central.all(&[0; 16]).all(name);
    let end = Bytes::new().u32(END).u32(0).u16(1).u16(1).u32(clipped(central.0.len())).u32(at).u16(0);
    file.all(&central.0).all(&end.0).0
}

/// A length as a zip without zip64 has it. What is longer has no recipe: the comparison finds that.
fn clipped(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Writing into memory does not fail; if it did, the comparison with the original would find it.
fn deflate(inner: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), LEVEL);
    encoder.write_all(inner).and_then(|()| encoder.finish()).unwrap_or_default()
}

/// Bytes in the order they are written; numbers are little-endian in a zip.
struct Bytes(Vec<u8>);

impl Bytes {
    const fn new() -> Self {
        Self(Vec::new())
    }

    fn u16(self, number: u16) -> Self {
        self.all(&number.to_le_bytes())
    }

    fn u32(self, number: u32) -> Self {
        self.all(&number.to_le_bytes())
    }

    fn all(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// What the central directory says of the entry.
struct Entry<'a> {
    flags: u16,
    method: u16,
    dos_time: u32,
    crc: u32,
    packed: u32,
    size: u32,
    local: u32,
    name: &'a [u8],
}

/// Takes numbers from the front of what is left.
struct Fields<'a>(&'a [u8]);

const TORN: ZipError = ZipError::NotAZip("it is torn");

impl<'a> Fields<'a> {
    fn at(zip: &'a [u8], offset: u32) -> Result<Self, ZipError> {
        let offset = usize::try_from(offset).map_err(|_| TORN)?;
        zip.get(offset..).map(Self).ok_or(TORN)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ZipError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(TORN)?;
        self.0 = rest;
        Ok(*array)
    }

    fn u16(&mut self) -> Result<u16, ZipError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, ZipError> {
        self.array().map(u32::from_le_bytes)
    }

    fn bytes(&mut self, length: u32) -> Result<&'a [u8], ZipError> {
        let length = usize::try_from(length).map_err(|_| TORN)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(TORN)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn expect(&mut self, signature: u32, otherwise: &'static str) -> Result<(), ZipError> {
        if self.u32()? == signature { Ok(()) } else { Err(ZipError::NotAZip(otherwise)) }
    }
}

/// The one entry that the central directory names.
fn only_entry(zip: &[u8]) -> Result<Entry<'_>, ZipError> {
    let mut end = Fields(end_record(zip).ok_or(ZipError::NotAZip("no end record"))?);
    end.expect(END, "no end record")?;
    let [_, _, _, _, entries_here @ ..] = end.array::<6>()?;
    match (u16::from_le_bytes(entries_here), end.u16()?) {
        (0, 0) => return Err(ZipError::Content("no file")),
        (1, 1) => {}
        (u16::MAX, _) | (_, u16::MAX) => return Err(ZipError::Zip64),
        _ => return Err(ZipError::Content("several files")),
    }
    let _length = end.u32()?;
    central_entry(Fields::at(zip, end.u32()?)?)
}

/// The last end record whose comment ends where the zip ends.
fn end_record(zip: &[u8]) -> Option<&[u8]> {
    let least = zip.len().saturating_sub(END_LENGTH + COMMENT);
    (least..=zip.len().checked_sub(END_LENGTH)?).rev().filter_map(|at| zip.get(at..)).find(|record| {
        let comment = record.get(END_LENGTH - 2..).and_then(|rest| rest.first_chunk());
        let comment = comment.map(|length| usize::from(u16::from_le_bytes(*length)));
        record.starts_with(&END.to_le_bytes()) && comment == record.len().checked_sub(END_LENGTH)
    })
}

fn central_entry(mut fields: Fields<'_>) -> Result<Entry<'_>, ZipError> {
    fields.expect(CENTRAL, "no central directory")?;
    let (_made_by, _needed) = (fields.u16()?, fields.u16()?);
    let (flags, method, dos_time, crc) = (fields.u16()?, fields.u16()?, fields.u32()?, fields.u32()?);
    let (packed, size, name_length) = (fields.u32()?, fields.u32()?, fields.u16()?);
    // Lengths of the extra field and the comment, disk, attributes.
    fields.array::<12>()?;
    let (local, name) = (fields.u32()?, fields.bytes(u32::from(name_length))?);
    if [packed, size, local].contains(&u32::MAX) {
        return Err(ZipError::Zip64);
    }
    if flags & ENCRYPTED != 0 {
        return Err(ZipError::NotAZip("it is encrypted"));
    }
    Ok(Entry { flags, method, dos_time, crc, packed, size, local, name })
}

/// The packed bytes of the entry. Its local header has to tell the same story.
fn data<'a>(zip: &'a [u8], entry: &Entry<'_>) -> Result<&'a [u8], ZipError> {
    let mut fields = Fields::at(zip, entry.local)?;
    let mut head = Fields(fields.bytes(LOCAL_LENGTH)?);
    head.expect(LOCAL, "no local header")?;
    let _needed = head.u16()?;
    let (flags, method) = (head.u16()?, head.u16()?);
    // Time, CRC-32, sizes: those of the central directory count.
    head.array::<16>()?;
    let (name_length, extra_length) = (head.u16()?, head.u16()?);
    let name = fields.bytes(u32::from(name_length))?;
    if (flags, method, name) != (entry.flags, entry.method, entry.name) {
        return Err(ZipError::NotAZip("its headers contradict each other"));
    }
    fields.bytes(u32::from(extra_length))?;
    fields.bytes(entry.packed)
}

/// The file inside, of the length and with the CRC-32 that the entry says.
fn unpack(entry: &Entry<'_>, packed: &[u8]) -> Result<Vec<u8>, ZipError> {
    let inner = match entry.method {
        STORED => packed.to_vec(),
        DEFLATED => inflate(packed, entry.size).map_err(|_| ZipError::NotAZip("its data is damaged"))?,
        _ => return Err(ZipError::NotAZip("it is packed neither by deflate nor not at all")),
    };
    if u32::try_from(inner.len()) != Ok(entry.size) {
        return Err(ZipError::NotAZip("the length of the file inside does not fit"));
    }
    if crc32fast::hash(&inner) == entry.crc { Ok(inner) } else { Err(ZipError::Checksum) }
}

/// Inflates `packed`, all of it; at most one byte more than the `size` that was promised.
fn inflate(packed: &[u8], size: u32) -> io::Result<Vec<u8>> {
    let mut inner = Vec::new();
    let mut decoder = DeflateDecoder::new(packed);
    decoder.by_ref().take(u64::from(size) + 1).read_to_end(&mut inner)?;
    if decoder.total_in() == packed.len() as u64 { Ok(inner) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// The name, if a file of that name can be made in any directory without leaving it.
fn file_name(name: &[u8]) -> Result<String, ZipError> {
    let name = str::from_utf8(name).map_err(|_| ZipError::Content("a name that is not UTF-8"))?;
    if name.contains(['/', '\\', ':']) || name.contains(char::is_control) {
        return Err(ZipError::Content("a path"));
    }
    if name.len() > NAME_MAX {
        return Err(ZipError::Content("a file with a name that is too long for one"));
    }
    if name.strip_suffix(".mv.db").is_none_or(str::is_empty) {
        return Err(ZipError::Content("a file that is not named *.mv.db"));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the numbers of these tests are small")]
mod tests {
    use super::*;

    fn recipe(name: &str) -> Recipe {
        Recipe { entry_name: name.to_owned(), dos_time: 0x5976_0000, zip_length: 0 }
    }

    fn zip(inner: &[u8]) -> Vec<u8> {
        rebuild(&recipe("a.mv.db"), inner)
    }

    const LIMIT: u64 = 1 << 20;

    fn error(zip: &[u8]) -> ZipError {
        take_apart(zip, LIMIT).unwrap_err()
    }

    #[test]
    fn a_zip_is_taken_apart_and_rebuilt() {
        let inner = b"H:2,".repeat(5_000);
        let zip = zip(&inner);
        let apart = take_apart(&zip, LIMIT).unwrap();
        let recipe = apart.recipe.unwrap();
        assert_eq!((apart.entry_name.as_str(), apart.inner.as_slice()), ("a.mv.db", inner.as_slice()));
        assert_eq!((recipe.dos_time, recipe.zip_length), (0x5976_0000, zip.len() as u64));
        assert_eq!(rebuild(&recipe, &apart.inner), zip);
    }

    #[test]
    fn an_empty_file_is_a_file() {
        let apart = take_apart(&zip(b""), LIMIT).unwrap();
        assert!(apart.inner.is_empty() && apart.recipe.is_some());
    }

    #[test]
    fn the_wrapper_is_as_long_as_the_servers() {
        let long = rebuild(&recipe("axonserver-controldb.mv.db"), b"");
        assert_eq!(long.len(), 166 + deflate(b"").len());
    }

    #[test]
    fn no_byte_can_be_taken_away() {
        let zip = zip(b"some content, content, content");
        for length in 0..zip.len() {
            assert!(matches!(error(&zip[..length]), ZipError::NotAZip(_)), "{length}");
        }
    }

    #[test]
    fn a_changed_byte_is_an_error_or_leaves_no_recipe() {
        let good = zip(b"some content, content, content");
        for at in 0..good.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                if let Ok(TakenApart { recipe: Some(recipe), inner, .. }) = take_apart(&bad, LIMIT) {
                    assert_eq!(rebuild(&recipe, &inner), bad, "{at}");
                }
            }
        }
    }

    #[test]
    fn a_wrong_crc_is_told() {
        let mut bad = zip(b"content");
        let central = central(&bad);
        bad[central + 16] ^= 1;
        assert_eq!(error(&bad), ZipError::Checksum);
    }

    #[test]
    fn a_bomb_ends_in_an_error() {
        let bomb = zip(&vec![0; 10_000]);
        assert!(take_apart(&bomb, 10_000).is_ok());
        assert_eq!(take_apart(&bomb, 9_999).unwrap_err(), ZipError::Content("more bytes than allowed"));
        // One that says it is small, in the central directory.
        let mut liar = bomb.clone();
        let central = central(&liar);
        liar[central + 24..central + 28].copy_from_slice(&10_u32.to_le_bytes());
        assert!(matches!(error(&liar), ZipError::NotAZip(_)));
    }

    /// Where the central directory of [`zip`] begins.
    fn central(zip: &[u8]) -> usize {
        zip.len() - END_LENGTH - "a.mv.db".len() - 46
    }

    #[test]
    fn headers_that_contradict_each_other_are_refused() {
        for at in [6, 8, LOCAL_LENGTH as usize] {
            let mut bad = zip(b"content");
            bad[at] ^= 2;
            assert_eq!(error(&bad), ZipError::NotAZip("its headers contradict each other"), "{at}");
        }
    }

    #[test]
    fn an_encrypted_file_is_not_read() {
        let mut bad = zip(b"content");
        let at = central(&bad) + 8;
        bad[at] |= 1;
        assert_eq!(error(&bad), ZipError::NotAZip("it is encrypted"));
    }

    #[test]
    fn packed_data_ends_where_its_length_says() {
        let mut bad = zip(b"content");
        let at = central(&bad) + 20;
        bad[at] += 1;
        assert_eq!(error(&bad), ZipError::NotAZip("its data is damaged"));
    }

    #[test]
    fn one_file_and_no_other_number_of_them() {
        let with_entries = |entries: u16| {
            let mut zip = zip(b"content");
            let end = zip.len() - END_LENGTH;
            zip[end + 8..end + 10].copy_from_slice(&entries.to_le_bytes());
            zip[end + 10..end + 12].copy_from_slice(&entries.to_le_bytes());
            error(&zip)
        };
        assert_eq!(with_entries(0), ZipError::Content("no file"));
        assert_eq!(with_entries(2), ZipError::Content("several files"));
        assert_eq!(with_entries(u16::MAX), ZipError::Zip64);
    }

    #[test]
    fn a_name_is_a_database_and_no_path() {
        let named = |name: &str| error(&rebuild(&recipe(name), b"content"));
        for path in ["../a.mv.db", "/a.mv.db", "a\\a.mv.db", "c:a.mv.db", "a\0.mv.db"] {
            assert_eq!(named(path), ZipError::Content("a path"));
        }
        for other in ["a.txt", ".mv.db", ""] {
            assert_eq!(named(other), ZipError::Content("a file that is not named *.mv.db"));
        }
        // It could be archived, and nowhere be restored.
        let of_length = |length: usize| rebuild(&recipe(&("a".repeat(length - 6) + ".mv.db")), b"content");
        assert_eq!(error(&of_length(256)), ZipError::Content("a file with a name that is too long for one"));
        assert!(take_apart(&of_length(255), LIMIT).is_ok());
    }

    #[test]
    fn a_zip_of_another_program_is_read_but_has_no_recipe() {
        let mut commented = zip(b"content");
        let end = commented.len() - 2;
        commented[end..].copy_from_slice(&3_u16.to_le_bytes());
        commented.extend(b"abc");
        let apart = take_apart(&commented, LIMIT).unwrap();
        assert_eq!((apart.inner.as_slice(), apart.recipe), (b"content".as_slice(), None));
    }

    #[test]
    fn other_data_than_javas_deflate_has_no_recipe() {
        let inner = b"H:2,block:1,".repeat(900);
        let mut fast = DeflateEncoder::new(Vec::new(), Compression::new(1));
        fast.write_all(&inner).unwrap();
        let (own, other) = (deflate(&inner), fast.finish().unwrap());
        assert_ne!(own, other);
        let zip = zip(&inner);
        let at = LOCAL_LENGTH as usize + "a.mv.db".len();
        let mut changed = [&zip[..at], &other, &zip[at + own.len()..]].concat();
        let central = central(&changed);
        changed[central + 20..central + 24].copy_from_slice(&(other.len() as u32).to_le_bytes());
        let end = changed.len() - END_LENGTH;
        changed[end + 16..end + 20].copy_from_slice(&(central as u32).to_le_bytes());
        let apart = take_apart(&changed, LIMIT).unwrap();
        assert_eq!((apart.inner, apart.recipe), (inner, None));
    }
}
