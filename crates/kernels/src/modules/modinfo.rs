//! What a module says of itself: its section `.modinfo`.

use object::LittleEndian;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader, SectionHeader};

use super::normal;

/// The dependencies and other names of a module.
/// Source: Linux `include/linux/module.h` (`MODULE_ALIAS`, `MODULE_SOFTDEP`), `scripts/mod/modpost.c`
/// (`depends=`, `vermagic=`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ModInfo {
    /// Modules whose symbols it uses; they must be inserted before it.
    pub depends: Vec<String>,
    /// Modules or aliases that should be inserted before it.
    pub before: Vec<String>,
    /// Modules or aliases that should be inserted after it.
    pub after: Vec<String>,
    /// Names by which the kernel asks for it; may hold patterns.
    pub aliases: Vec<String>,
    /// The release of the kernel it was built for.
    pub release: Option<String>,
}

impl ModInfo {
    /// Reads the section of an unpacked module; `None` where this is no ELF with such a section.
    pub(crate) fn of(module: &[u8]) -> Option<Self> {
        let header = FileHeader64::<LittleEndian>::parse(module).ok()?;
        let endian = header.endian().ok()?;
        let sections = header.sections(endian, module).ok()?;
        let (_, section) = sections.section_by_name(endian, b".modinfo")?;
        Some(Self::parse(section.data(endian, module).ok()?))
    }

    /// Reads `key=value` texts that end in NUL.
    pub(crate) fn parse(section: &[u8]) -> Self {
        let mut info = Self::default();
        let texts = section.split(|&byte| byte == 0).filter_map(|text| std::str::from_utf8(text).ok());
        for (key, value) in texts.filter_map(|text| text.split_once('=')) {
            match key {
                "depends" => {
                    info.depends.extend(value.split(',').filter(|name| !name.is_empty()).map(normal));
                }
                "softdep" => info.softdep(value),
                "alias" => info.aliases.push(normal(value)),
                "vermagic" => info.release = value.split(' ').next().map(str::to_owned),
                _ => {}
            }
        }
        info
    }

    /// Reads `pre: a b post: c`; names before the first mark are left out, as kmod does.
    fn softdep(&mut self, value: &str) {
        let mut list = None;
        for word in value.split_whitespace() {
            match word {
                "pre:" => list = Some(&mut self.before),
                "post:" => list = Some(&mut self.after),
                name => {
                    if let Some(list) = &mut list {
                        list.push(normal(name));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An object file with these texts in its section `.modinfo`.
    pub(crate) fn a_module(texts: &[&str]) -> Vec<u8> {
        let modinfo: Vec<u8> = texts.iter().flat_map(|text| [text.as_bytes(), b"\0"].concat()).collect();
        let names = b"\0.modinfo\0.shstrtab\0";
        let headers = 64 + modinfo.len() + names.len();
        let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\x3e\0\x01\0\0\0".to_vec();
        elf.extend([0, 0, headers as u64].into_iter().flat_map(u64::to_le_bytes));
        elf.extend(0u32.to_le_bytes());
        elf.extend([64u16, 0, 0, 64, 3, 2].into_iter().flat_map(u16::to_le_bytes));
        elf.extend(&modinfo);
        elf.extend(names);
        // Name, type, offset, size; types: SHT_NULL, SHT_PROGBITS, SHT_STRTAB.
        for (name, kind, offset, size) in
            [(0u32, 0u32, 0, 0), (1, 1, 64, modinfo.len()), (10, 3, 64 + modinfo.len(), names.len())]
        {
            elf.extend([name, kind].into_iter().flat_map(u32::to_le_bytes));
            elf.extend([0, 0, offset as u64, size as u64, 0, 1, 0].into_iter().flat_map(u64::to_le_bytes));
        }
        elf
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn what_a_module_needs_and_is_called_stands_in_modinfo() {
        let module = a_module(&[
            "license=GPL",
            "alias=nft-expr-7-ct",
            "softdep=pre: crypto-crc32c libcrc32c post: late-one",
            "softdep=post: other",
            "depends=nf_tables,nf-conntrack",
            "parm=x:a=b",
            "vermagic=6.1.0-53-cloud-amd64 SMP preempt mod_unload modversions ",
        ]);
        let info = ModInfo::of(&module).unwrap();
        let expected = ModInfo {
            depends: names(&["nf_tables", "nf_conntrack"]),
            before: names(&["crypto_crc32c", "libcrc32c"]),
            after: names(&["late_one", "other"]),
            aliases: names(&["nft_expr_7_ct"]),
            release: Some("6.1.0-53-cloud-amd64".into()),
        };
        assert_eq!(info, expected);
    }

    #[test]
    fn no_dependencies_and_no_marks_are_empty_lists() {
        let info = ModInfo::parse(b"depends=\0softdep=stray name\0nothing\0=\0");
        assert_eq!(info, ModInfo::default());
    }

    #[test]
    fn what_is_no_module_is_none() {
        assert_eq!(ModInfo::of(b""), None);
        assert_eq!(ModInfo::of(b"\x7fELF and then text"), None);
    }

    proptest! {
        #[test]
        fn damaged_modules_make_no_panic(at in any::<prop::sample::Index>(), noise in prop::collection::vec(any::<u8>(), 1..20)) {
            let mut module = a_module(&["depends=a,b", "softdep=pre: c"]);
            let at = at.index(module.len());
            module.splice(at..module.len().min(at + noise.len()), noise);
            let _ = ModInfo::of(&module);
            let _ = ModInfo::of(&module[..at]);
        }
    }
}
