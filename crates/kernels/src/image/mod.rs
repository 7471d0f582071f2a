//! Kernel images: which kernel one is, and its plain ELF vmlinux.

mod bzimage;
mod elf;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use memchr::memmem;
use object::ReadCache;

use self::bzimage::BzImage;
use self::elf::Elf;
use crate::codec::Codec;

/// What a kernel writes into its image before its release; source: Linux `init/version-timestamp.c`,
/// `linux_banner`.
const BANNER: &[u8] = b"Linux version ";

/// A kernel image for x86-64, looked at but not unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    /// What `uname -r` will say.
    pub release: String,
    form: Form,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// A bzImage (often called vmlinuz), and where its compressed vmlinux lies.
    BzImage(Option<Range<u64>>),
    /// A vmlinux, ready as it is.
    Elf,
}

/// Why an image stays packed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    #[error("it could not be read: {0}")]
    Read(#[source] io::Error),
    #[error("its header names no compressed kernel")]
    NoPayload,
    #[error("the compression of the kernel in it is not known here")]
    UnknownCompression,
    #[error("the kernel in it could not be unpacked: {0}")]
    Decode(#[source] io::Error),
    #[error("the kernel in it has {is} bytes instead of {said}")]
    Length { is: usize, said: u32 },
    #[error("the kernel in it is no ELF with the PVH entry that QEMU needs")]
    NoEntry,
}

impl Image {
    /// Looks at the file; `None` where it is no image of a kernel for x86-64.
    pub(crate) fn look(path: &Path) -> io::Result<Option<Self>> {
        let mut file = File::open(path)?;
        let mut head = Vec::new();
        file.by_ref().take(bzimage::HEAD).read_to_end(&mut head)?;
        if let Some(BzImage { release, payload }) = BzImage::parse(&head) {
            return Ok(Some(Self { release, form: Form::BzImage(payload) }));
        }
        let cache = ReadCache::new(&mut file);
        let Some(Elf { loaded, .. }) = Elf::parse(&cache) else { return Ok(None) };
        drop(cache);
        for range in loaded {
            if let Some(release) = find_release(&mut file, range)? {
                return Ok(Some(Self { release, form: Form::Elf }));
            }
        }
        Ok(None)
    }

    /// Whether the image has a vmlinux inside that may be unpacked.
    pub(crate) fn is_packed(&self) -> bool {
        matches!(self.form, Form::BzImage(_))
    }

    /// The ELF vmlinux inside the bzImage at `path`, if QEMU can start it.
    pub(crate) fn unpack(&self, path: &Path) -> Result<Vec<u8>, UnpackError> {
        let Form::BzImage(Some(payload)) = &self.form else { return Err(UnpackError::NoPayload) };
        let mut packed = Vec::new();
        let mut file = File::open(path).map_err(UnpackError::Read)?;
        file.seek(SeekFrom::Start(payload.start)).map_err(UnpackError::Read)?;
        file.take(payload.end - payload.start).read_to_end(&mut packed).map_err(UnpackError::Read)?;
        let vmlinux = unpack_payload(&packed)?;
        match Elf::parse(vmlinux.as_slice()) {
            Some(Elf { has_pvh_entry: true, .. }) => Ok(vmlinux),
            _ => Err(UnpackError::NoEntry),
        }
    }
}

/// Undoes what the kernel's build did: compressed, and the plain length appended as 32 bits, which
/// for gzip is a part of its own format.
/// Source: Linux `scripts/Makefile.lib`, `size_append`; `arch/x86/boot/compressed/mkpiggy.c`.
fn unpack_payload(packed: &[u8]) -> Result<Vec<u8>, UnpackError> {
    let codec = Codec::of(packed).ok_or(UnpackError::UnknownCompression)?;
    let (stream, said) = packed.split_last_chunk().ok_or(UnpackError::UnknownCompression)?;
    let said = u32::from_le_bytes(*said);
    let stream = if codec == Codec::Gzip { packed } else { stream };
    let vmlinux = codec.decode(stream).map_err(UnpackError::Decode)?;
    if u32::try_from(vmlinux.len()) != Ok(said) {
        return Err(UnpackError::Length { is: vmlinux.len(), said });
    }
    Ok(vmlinux)
}

/// The release at the beginning of `text`: what comes before the first space or NUL.
fn release_in(text: &[u8]) -> Option<String> {
    let end = text.iter().position(|&byte| byte == b' ' || byte == 0)?;
    let release = std::str::from_utf8(&text[..end]).ok()?;
    let is_sound = release.starts_with(|first: char| first.is_ascii_digit())
        && release.chars().all(|sign| sign.is_ascii_graphic() && sign != '/');
    is_sound.then(|| release.to_owned())
}

/// The release in the banner somewhere in this part of the file.
fn find_release(file: &mut File, range: Range<u64>) -> io::Result<Option<String>> {
    /// Read at once; and how much of the next piece a banner may reach into.
    const PIECE: u64 = 4 << 20;
    const OVERLAP: u64 = 256;
    let mut start = range.start;
    let mut piece = Vec::new();
    while start < range.end {
        piece.clear();
        file.seek(SeekFrom::Start(start))?;
        let read = file.take((range.end - start).min(PIECE + OVERLAP)).read_to_end(&mut piece)?;
        let found = memmem::find_iter(&piece, BANNER).find_map(|at| release_in(&piece[at + BANNER.len()..]));
        if found.is_some() || (read as u64) < PIECE {
            return Ok(found);
        }
        start += PIECE;
    }
    Ok(None)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::bzimage::tests::a_bzimage as a_bzimage_of;
    use super::elf::tests::an_elf;
    use super::*;
    use crate::codec::tests::{gzip, lz4_legacy, xz, zstd};

    const PVH: Option<(&str, u32)> = Some(("Xen", 18));
    const VERSION: &str = "6.12.117+deb12-cloud-amd64 (x@y) #1 SMP";

    /// A bzImage of this release with this vmlinux, compressed, or with what is no ELF as it is.
    pub(crate) fn a_bzimage(release: &str, vmlinux: &[u8]) -> Vec<u8> {
        let is_elf = vmlinux.starts_with(b"\x7fELF");
        let payload = if is_elf { gzip(vmlinux) } else { vmlinux.to_vec() };
        a_bzimage_of(&format!("{release} (x@y) #1 SMP"), &payload)
    }

    /// An ELF that QEMU would start.
    pub(crate) fn an_elf_with_entry(content: &[u8]) -> Vec<u8> {
        an_elf(content, PVH)
    }

    fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn with_length(mut packed: Vec<u8>, length: usize) -> Vec<u8> {
        packed.extend(u32::try_from(length).unwrap().to_le_bytes());
        packed
    }

    #[test]
    fn the_vmlinux_inside_is_the_one_that_went_in_whatever_the_compression() {
        let vmlinux = an_elf(&b"some code ".repeat(3000), PVH);
        let length = vmlinux.len();
        let payloads = [
            gzip(&vmlinux),
            with_length(xz(&vmlinux), length),
            with_length(zstd(&vmlinux), length),
            with_length(lz4_legacy(&vmlinux), length),
        ];
        for payload in payloads {
            let file = written(&a_bzimage_of(VERSION, &payload));
            let image = Image::look(file.path()).unwrap().unwrap();
            assert_eq!(image.release, "6.12.117+deb12-cloud-amd64");
            assert!(image.is_packed());
            assert_eq!(image.unpack(file.path()).unwrap(), vmlinux);
        }
    }

    #[test]
    fn what_cannot_be_unpacked_says_why() {
        let elf = an_elf(b"code", PVH);
        let (pvh, plain) = (zstd(&elf), zstd(&an_elf(b"code", None)));
        let told = [
            a_bzimage_of(VERSION, b"BZh9"),
            a_bzimage_of(VERSION, &with_length(pvh.clone(), elf.len() + 1)),
            a_bzimage_of(VERSION, &with_length(pvh[..pvh.len() / 2].to_vec(), elf.len())),
            a_bzimage_of(VERSION, &with_length(plain, an_elf(b"code", None).len())),
            a_bzimage_of(VERSION, b""),
        ]
        .map(|bytes| {
            let file = written(&bytes);
            let image = Image::look(file.path()).unwrap().unwrap();
            image.unpack(file.path()).unwrap_err().to_string()
        });
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn the_release_of_a_vmlinux_stands_in_its_banner_also_across_pieces() {
        let banner = b"%s Linux version %s\nLinux version 7.3.4+deb13-cloud-amd64 (x@y) gcc\n";
        for before in [0, 1000, (4 << 20) - 40, (4 << 20) - 10, (8 << 20) + 5] {
            let content = [vec![b'x'; before], banner.to_vec()].concat();
            let file = written(&an_elf(&content, PVH));
            let image = Image::look(file.path()).unwrap().unwrap();
            assert_eq!(image.release, "7.3.4+deb13-cloud-amd64", "after {before} bytes");
            assert!(!image.is_packed());
        }
    }

    #[test]
    fn other_files_are_no_kernels() {
        for bytes in [&b""[..], b"#!/bin/sh\n", &an_elf(b"no banner", PVH), &vec![0; 70_000]] {
            assert_eq!(Image::look(written(bytes).path()).unwrap(), None);
        }
    }
}
