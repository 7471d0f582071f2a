//! The compressions in which kernels and modules come.

use std::io::{self, Read};

/// Most that one file may unpack to: far above any kernel (60 MB), far below what a machine lacks.
const LIMIT: u64 = 1 << 30;

/// The largest window of zstd data; `zstd --ultra -22`, with which kernels are made, uses 128 MiB.
const ZSTD_WINDOW: u64 = 128 << 20;

/// Block size of lz4's legacy frame; source: lz4's `doc/lz4_Frame_format.md`, "Legacy frame".
const LZ4_BLOCK: usize = 8 << 20;

/// A compression, told by the first bytes.
///
/// Left out are bzip2 and LZO, which the kernel's build offers too, but no distribution uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Gzip,
    Xz,
    Zstd,
    Lz4Legacy,
    Lzma,
}

impl Codec {
    /// The compression of `bytes`, if it is one of these.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        const MAGIC: [(&[u8], Codec); 5] = [
            (&[0x1f, 0x8b, 0x08], Codec::Gzip),
            (&[0xfd, b'7', b'z', b'X', b'Z', 0], Codec::Xz),
            (&[0x28, 0xb5, 0x2f, 0xfd], Codec::Zstd),
            (&[0x02, 0x21, 0x4c, 0x18], Codec::Lz4Legacy),
            (&[0x5d, 0, 0], Codec::Lzma),
        ];
        MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|&(_, codec)| codec)
    }

    /// Unpacks the first stream in `bytes`. Of the lz4 legacy frame, which does not tell its end, all
    /// of `bytes` must be the frame.
    pub(crate) fn decode(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip => read_all(flate2::bufread::GzDecoder::new(bytes)),
            Self::Xz => read_all(lzma_rust2::XzReader::new(bytes, false)),
            Self::Zstd => zstd(bytes),
            Self::Lz4Legacy => lz4_legacy(bytes),
            Self::Lzma => {
                let limit_kib = u32::try_from(LIMIT >> 10).expect("2^20 fits");
                read_all(lzma_rust2::LzmaReader::new_mem_limit(bytes, limit_kib, None)?)
            }
        }
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn read_all(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    reader.take(LIMIT).read_to_end(&mut unpacked)?;
    if unpacked.len() as u64 == LIMIT {
        return Err(invalid("it unpacks to a gigabyte or more"));
    }
    Ok(unpacked)
}

fn zstd(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut decoder =
        ruzstd::decoding::StreamingDecoder::new_with_max_window_size(bytes, ZSTD_WINDOW).map_err(invalid)?;
    let unpacked = read_all(&mut decoder)?;
    let frame = decoder.into_frame_decoder();
    match (frame.get_checksum_from_data(), frame.get_calculated_checksum()) {
        (Some(said), Some(is)) if said != is => Err(invalid("the zstd checksum does not match")),
        _ => Ok(unpacked),
    }
}

fn lz4_legacy(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut rest = &bytes[4..];
    let mut unpacked = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        let block = after.get(..length).ok_or(io::ErrorKind::UnexpectedEof)?;
        rest = &after[length..];
        let start = unpacked.len();
        unpacked.resize(start + LZ4_BLOCK, 0);
        let written = lz4_flex::block::decompress_into(block, &mut unpacked[start..]).map_err(invalid)?;
        unpacked.truncate(start + written);
        if unpacked.len() as u64 >= LIMIT {
            return Err(invalid("it unpacks to a gigabyte or more"));
        }
    }
    if rest.is_empty() { Ok(unpacked) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// As the kernel's build does it, with the filter for x86; source: `scripts/xz_wrap.sh`.
    pub(crate) fn xz(bytes: &[u8]) -> Vec<u8> {
        let mut options = lzma_rust2::XzOptions::with_preset(1);
        options.prepend_pre_filter(lzma_rust2::FilterType::BcjX86, 0);
        let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    pub(crate) fn lz4_legacy(bytes: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x02, 0x21, 0x4c, 0x18];
        for block in bytes.chunks(LZ4_BLOCK) {
            let packed = lz4_flex::block::compress(block);
            frame.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
            frame.extend(packed);
        }
        frame
    }

    fn lzma(bytes: &[u8]) -> Vec<u8> {
        let options = lzma_rust2::LzmaOptions::with_preset(1);
        let mut encoder = lzma_rust2::LzmaWriter::new_use_header(Vec::new(), &options, None).unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    type Encoder = fn(&[u8]) -> Vec<u8>;
    const ALL: [(Codec, Encoder); 5] = [
        (Codec::Gzip, gzip),
        (Codec::Xz, xz),
        (Codec::Zstd, zstd),
        (Codec::Lz4Legacy, lz4_legacy),
        (Codec::Lzma, lzma),
    ];

    #[test]
    fn a_frame_of_several_blocks_of_lz4_is_unpacked_whole() {
        let bytes: Vec<u8> =
            (0..=255).cycle().flat_map(|byte| [byte; 1000]).take(LZ4_BLOCK * 2 + 77).collect();
        assert!(Codec::Lz4Legacy.decode(&lz4_legacy(&bytes)).unwrap() == bytes);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_compression_is_known_by_its_first_bytes_and_undone(bytes in prop::collection::vec(any::<u8>(), 1..5000)) {
            for (codec, encode) in ALL {
                let packed = encode(&bytes);
                prop_assert_eq!(Codec::of(&packed), Some(codec));
                prop_assert_eq!(&codec.decode(&packed).unwrap(), &bytes, "{:?}", codec);
            }
        }

        #[test]
        fn what_was_cut_off_gives_an_error_or_the_beginning(bytes in prop::collection::vec(any::<u8>(), 100..2000), keep in any::<prop::sample::Index>()) {
            for (codec, encode) in ALL {
                let packed = encode(&bytes);
                let keep = 18 + keep.index(packed.len() - 18);
                if let Ok(unpacked) = codec.decode(&packed[..keep]) {
                    prop_assert!(bytes.starts_with(&unpacked), "{:?} {}", codec, keep);
                }
            }
        }

        #[test]
        fn damaged_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 100..2000), at in any::<prop::sample::Index>(), flip in 1u8..) {
            for (codec, encode) in ALL {
                let mut packed = encode(&bytes);
                let at = at.index(packed.len() - 6) + 6;
                packed[at] ^= flip;
                let _ = codec.decode(&packed);
            }
        }
    }
}
