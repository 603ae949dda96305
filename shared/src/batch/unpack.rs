//! Input as it is stored: plain, or packed with gzip or zstd. Told by its first bytes, whatever its name says.

use std::io::{self, Write};

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// RFC 1952, of one member or several.
    Gzip,
    /// RFC 8878, of one frame or several.
    Zstd,
}

impl Packing {
    /// By the first bytes of a file, of which four are enough.
    #[must_use]
    pub fn of(head: &[u8]) -> Self {
        if head.starts_with(&[0x1f, 0x8b]) {
            Self::Gzip
        } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Self::Zstd
        } else {
            Self::Plain
        }
    }

    /// What the name of a file says; `None` where it says nothing of it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        if name.ends_with(".gz") || name.ends_with(".gzip") {
            Some(Self::Gzip)
        } else if name.ends_with(".zst") || name.ends_with(".zstd") {
            Some(Self::Zstd)
        } else {
            None
        }
    }

    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "not packed",
            Self::Gzip => "packed with gzip",
            Self::Zstd => "packed with zstd",
        }
    }

    /// Whether a file's name, without the part about packing, ends in `.csv`.
    #[must_use]
    pub fn named_csv(name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let endings = ["", ".gz", ".gzip", ".zst", ".zstd"];
        endings.iter().any(|ending| name.strip_suffix(ending).is_some_and(|name| name.ends_with(".csv")))
    }
}

/// Most packed bytes that are unpacked at a step: zstd may make tens of thousands of one, and each step's are in memory.
const STEP: usize = 4 * 1024;

/// Unpacks what it is told into a writer, as it comes.
pub struct Unpacker<W: Write>(Kind<W>);

enum Kind<W: Write> {
    Plain(W),
    Gzip(Box<flate2::write::MultiGzDecoder<W>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, W>>),
}

impl<W: Write> Unpacker<W> {
    /// Unpacks into `to`.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn new(packing: Packing, to: W) -> io::Result<Self> {
        Ok(Self(match packing {
            Packing::Plain => Kind::Plain(to),
            Packing::Gzip => Kind::Gzip(Box::new(flate2::write::MultiGzDecoder::new(to))),
            Packing::Zstd => Kind::Zstd(Box::new(zstd::stream::write::Decoder::new(to)?)),
        }))
    }

    /// Takes the bytes that follow.
    ///
    /// # Errors
    /// When they are not what they should be, or the writer fails.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.0 {
            Kind::Plain(to) => to.write_all(bytes),
            Kind::Gzip(decoder) => bytes.chunks(STEP).try_for_each(|step| decoder.write_all(step)),
            Kind::Zstd(decoder) => bytes.chunks(STEP).try_for_each(|step| decoder.write_all(step)),
        }
    }

    /// The writer, so far.
    pub fn writer(&mut self) -> &mut W {
        match &mut self.0 {
            Kind::Plain(to) => to,
            Kind::Gzip(decoder) => decoder.get_mut(),
            Kind::Zstd(decoder) => decoder.get_mut(),
        }
    }

    /// The writer, when nothing follows.
    ///
    /// # Errors
    /// When the end is missing.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Kind::Plain(to) => Ok(to),
            Kind::Gzip(decoder) => decoder.finish(),
            Kind::Zstd(mut decoder) => {
                decoder.flush()?;
                decoder.finish()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        // As the command `zstd` packs, unless it is told not to.
        encoder.include_checksum(true).unwrap();
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(packed: &[u8], step: usize) -> io::Result<Vec<u8>> {
        let mut unpacker = Unpacker::new(Packing::of(packed), Vec::new())?;
        packed.chunks(step).try_for_each(|chunk| unpacker.push(chunk))?;
        unpacker.finish()
    }

    #[test]
    fn what_is_packed_comes_out_again_of_one_part_or_several() {
        let text = "{\"user_id\": \"ada\"}\n".repeat(10_000);
        let (first, second) = text.as_bytes().split_at(77_777);
        for pack in [gzip, zstd, |text: &[u8]| text.to_vec()] {
            for packed in [pack(text.as_bytes()), [pack(first), pack(second)].concat()] {
                for step in [1, 1_000, packed.len()] {
                    assert!(unpacked(&packed, step).unwrap() == text.as_bytes(), "{step}");
                }
            }
        }
    }

    #[test]
    fn what_is_cut_short_or_damaged_is_said() {
        let text = "{\"user_id\": \"ada\"}\n".repeat(1_000);
        for pack in [gzip, zstd] {
            let mut packed = pack(text.as_bytes());
            assert!(unpacked(&packed[..packed.len() - 3], 100).is_err());
            assert!(unpacked(&packed[..20], 100).is_err());
            let middle = packed.len() / 2;
            packed[middle] ^= 0xff;
            packed[middle + 1] ^= 0xff;
            assert!(unpacked(&packed, 100).is_err());
        }
    }

    #[test]
    fn names_say_what_they_say() {
        assert_eq!(Packing::named("a/b.jsonl.GZ"), Some(Packing::Gzip));
        assert_eq!(Packing::named("b.zst"), Some(Packing::Zstd));
        assert_eq!(Packing::named("b.jsonl"), None);
        for (name, csv) in
            [("a.csv", true), ("a.CSV.gz", true), ("a.csv.zst", true), ("a.csv.jsonl", false), ("csv", false)]
        {
            assert_eq!(Packing::named_csv(name), csv, "{name}");
        }
    }
}
