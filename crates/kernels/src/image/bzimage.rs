//! The header of a bzImage: what is in it, and where.
//!
//! Source: `Documentation/arch/x86/boot.rst`, "The Real-Mode Kernel Header".

use std::ops::Range;

/// How much of the file's beginning [`BzImage::parse`] wants: the real-mode code is at most
/// 64 sectors of 512 bytes.
pub(super) const HEAD: u64 = 64 * SECTOR;

const SECTOR: u64 = 512;
const SETUP_SECTS: usize = 0x1f1;
const MAGIC: usize = 0x202;
const VERSION: usize = 0x206;
const KERNEL_VERSION: usize = 0x20e;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;

/// `payload_offset` and `payload_length` are there since this version of the boot protocol
/// (Linux 2.6.26).
const PROTOCOL_WITH_PAYLOAD: u16 = 0x208;

/// What the header tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BzImage {
    /// What `uname -r` will say.
    pub release: String,
    /// Where in the file the compressed vmlinux lies; `None` before boot protocol 2.08.
    pub payload: Option<Range<u64>>,
}

impl BzImage {
    /// Reads the header out of the first [`HEAD`] bytes; `None` where it is no bzImage, or names no
    /// version.
    pub(super) fn parse(head: &[u8]) -> Option<Self> {
        let u16 = |at| number(head, at).map(u16::from_le_bytes);
        let u32 = |at| number(head, at).map(u32::from_le_bytes).map(u64::from);
        if head.get(MAGIC..MAGIC + 4)? != b"HdrS" {
            return None;
        }
        // The pointer counts from the end of the boot sector.
        let text = head.get(usize::from(u16(KERNEL_VERSION)?) + 0x200..)?;
        let release = super::release_in(text)?;
        // "For backwards compatibility, if the setup_sects field contains 0, the real value is 4."
        let setup_sects = match *head.get(SETUP_SECTS)? {
            0 => 4,
            sectors => u64::from(sectors),
        };
        let payload = if u16(VERSION)? >= PROTOCOL_WITH_PAYLOAD {
            let start = (setup_sects + 1) * SECTOR + u32(PAYLOAD_OFFSET)?;
            Some(start..start + u32(PAYLOAD_LENGTH)?)
        } else {
            None
        };
        Some(Self { release, payload })
    }
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A bzImage whose real-mode part has three sectors and whose payload is `payload`.
    pub(in crate::image) fn a_bzimage(version: &str, payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 0x600];
        image[SETUP_SECTS] = 2;
        image[MAGIC..MAGIC + 4].copy_from_slice(b"HdrS");
        image[VERSION..VERSION + 2].copy_from_slice(&0x20fu16.to_le_bytes());
        image[KERNEL_VERSION..KERNEL_VERSION + 2].copy_from_slice(&0x180u16.to_le_bytes());
        image[0x380..0x380 + version.len()].copy_from_slice(version.as_bytes());
        image[PAYLOAD_OFFSET..PAYLOAD_OFFSET + 4].copy_from_slice(&16u32.to_le_bytes());
        let length = u32::try_from(payload.len()).unwrap();
        image[PAYLOAD_LENGTH..PAYLOAD_LENGTH + 4].copy_from_slice(&length.to_le_bytes());
        image.extend([0; 16]);
        image.extend(payload);
        image.extend([0xee; 100]);
        image
    }

    #[test]
    fn the_release_and_the_payload_are_found() {
        let image = a_bzimage("6.1.0-53-cloud-amd64 (debian-kernel@lists.debian.org) #1 SMP", b"payload");
        let parsed = BzImage::parse(&image).unwrap();
        assert_eq!(parsed.release, "6.1.0-53-cloud-amd64");
        assert_eq!(parsed.payload, Some(0x610..0x617));
    }

    #[test]
    fn an_old_protocol_has_no_payload() {
        let mut image = a_bzimage("2.6.20 ", b"payload");
        image[VERSION] = 7;
        assert_eq!(BzImage::parse(&image).unwrap().payload, None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(noise in prop::collection::vec(any::<u8>(), 0..200), at in 0x1e0usize..0x300) {
            let mut image = a_bzimage("6.1 ", b"payload");
            image.splice(at..image.len().min(at + noise.len()), noise);
            let _ = BzImage::parse(&image);
            let _ = BzImage::parse(&image[..at]);
        }
    }
}
