//! What an ELF vmlinux tells: whether QEMU can start it, and which kernel it is.

use std::ops::Range;

use object::elf::{EM_X86_64, FileHeader64, NoteType, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{LittleEndian, ReadRef};

/// The note that gives the address where a machine monitor enters the kernel in 32-bit mode (PVH).
/// Source: Linux `include/xen/interface/elfnote.h`, `XEN_ELFNOTE_PHYS32_ENTRY`; QEMU reads it in
/// `hw/i386/x86-common.c`, `load_elfboot()`.
const PHYS32_ENTRY: NoteType = NoteType(18);

/// An ELF file for x86-64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Elf {
    /// Whether it has the PVH entry, without which QEMU starts no ELF for x86-64.
    pub has_pvh_entry: bool,
    /// The parts of the file that are loaded, in the file's order.
    pub loaded: Vec<Range<u64>>,
}

impl Elf {
    /// Reads the program headers and the notes; `None` where it is no ELF for x86-64.
    pub(super) fn parse<'data>(data: impl ReadRef<'data>) -> Option<Self> {
        let header = FileHeader64::<LittleEndian>::parse(data).ok()?;
        let endian = header.endian().ok()?;
        if header.e_machine(endian) != EM_X86_64 {
            return None;
        }
        let segments = header.program_headers(endian, data).ok()?;
        let has_pvh_entry = segments.iter().any(|segment| {
            let Ok(Some(mut notes)) = segment.notes(endian, data) else { return false };
            std::iter::from_fn(|| notes.next().ok().flatten())
                .any(|note| note.name() == b"Xen" && note.n_type(endian) == PHYS32_ENTRY)
        });
        let mut loaded: Vec<_> = segments
            .iter()
            .filter(|segment| segment.p_type(endian) == PT_LOAD)
            .map(|segment| segment.file_range(endian))
            .map(|(start, length)| start..start.saturating_add(length))
            .collect();
        loaded.sort_by_key(|range| range.start);
        Some(Self { has_pvh_entry, loaded })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An ELF with one loaded segment, and notes where `note` gives an owner and a type.
    pub(in crate::image) fn an_elf(content: &[u8], note: Option<(&str, u32)>) -> Vec<u8> {
        let mut notes = Vec::new();
        if let Some((owner, kind)) = note {
            notes.extend(u32::try_from(owner.len() + 1).unwrap().to_le_bytes());
            notes.extend(4u32.to_le_bytes());
            notes.extend(kind.to_le_bytes());
            notes.extend(owner.bytes());
            notes.resize(notes.len().next_multiple_of(4) + usize::from(owner.len() % 4 == 0) * 4, 0);
            notes.extend([0, 0, 0, 1]);
        }
        let segments: [(u32, usize, usize); 2] =
            [(PT_LOAD.0, 64 + 2 * 56, content.len()), (4, 64 + 2 * 56 + content.len(), notes.len())];
        let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
        for word in [0u64, 64, 0] {
            elf.extend(word.to_le_bytes());
        }
        elf.extend([0; 4]);
        for half in [64u16, 56, 2, 64, 0, 0] {
            elf.extend(half.to_le_bytes());
        }
        for (kind, offset, length) in segments {
            elf.extend(kind.to_le_bytes());
            elf.extend(4u32.to_le_bytes());
            for word in [offset, 0, 0, length, length, 4] {
                elf.extend((word as u64).to_le_bytes());
            }
        }
        elf.extend(content);
        elf.extend(notes);
        elf
    }

    #[test]
    fn the_pvh_entry_is_a_note_of_xen_with_number_18() {
        let has = |note| Elf::parse(an_elf(b"abcd", note).as_slice()).unwrap().has_pvh_entry;
        assert!(has(Some(("Xen", 18))));
        assert!(!has(Some(("Xen", 17))));
        assert!(!has(Some(("GNU", 18))));
        assert!(!has(None));
    }

    #[test]
    fn an_elf_for_another_machine_is_none() {
        let mut elf = an_elf(b"abcd", None);
        elf[18] = 0xb7; // EM_AARCH64
        assert_eq!(Elf::parse(elf.as_slice()), None);
        assert_eq!(Elf::parse(b"\x7fELF".as_slice()), None);
    }
}
