//! The order in which modules are inserted.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::modinfo::ModInfo;
use super::{Module, ModuleError, ModuleTree, normal};

/// See [`ModuleTree::resolve`].
pub(super) fn resolve(tree: &ModuleTree, names: &[&str]) -> Result<Vec<Module>, ModuleError> {
    let mut order =
        Order { tree, read: HashMap::new(), seen: HashMap::new(), put_off: Vec::new(), modules: vec![] };
    for name in names {
        order.require(&normal(name), None)?;
    }
    while let Some(name) = order.put_off.pop() {
        order.wish_for(&name)?;
    }
    // What one module wished for, another may need.
    let mut needed = HashSet::new();
    for name in names {
        order.needs(&normal(name), &mut needed)?;
    }
    let mut modules = order.modules;
    for module in &mut modules {
        module.optional = !needed.contains(&module.name);
    }
    Ok(modules)
}

/// A walk over the modules, each after what it depends on.
struct Order<'a> {
    tree: &'a ModuleTree,
    read: HashMap<String, ModInfo>,
    seen: HashMap<String, Progress>,
    /// Modules wished for by one that they depend on: they can only come after it.
    put_off: Vec<String>,
    modules: Vec<Module>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// The walk is at what the module depends on, or wishes for.
    Begun,
    /// The module is in the list.
    Done,
}

impl Order<'_> {
    fn require(&mut self, name: &str, by: Option<&str>) -> Result<(), ModuleError> {
        let Some(path) = self.tree.file(name) else {
            return if self.tree.is_builtin(name) {
                Ok(())
            } else {
                let (name, by) = (name.to_owned(), by.map(str::to_owned));
                Err(ModuleError::Missing { name, release: self.tree.release().to_owned(), by })
            };
        };
        if self.seen.contains_key(name) {
            return Ok(());
        }
        self.seen.insert(name.to_owned(), Progress::Begun);
        let before = self.before(name);
        if before.is_err() {
            self.seen.remove(name);
        }
        let after = before?;
        self.modules.push(Module { name: name.to_owned(), path: path.to_owned(), optional: true });
        self.seen.insert(name.to_owned(), Progress::Done);
        after.iter().try_for_each(|wish| self.wish(wish))
    }

    /// Puts what must and what should come before this module into the list; returns what should
    /// come after it.
    fn before(&mut self, name: &str) -> Result<Vec<String>, ModuleError> {
        let info = self.info(name)?.clone();
        for wish in &info.before {
            self.wish(wish)?;
        }
        for dependency in &info.depends {
            self.require(dependency, Some(name))?;
        }
        Ok(info.after)
    }

    /// Takes in a softdep: a module's name, or else an alias.
    fn wish(&mut self, name: &str) -> Result<(), ModuleError> {
        self.providers(name)?.iter().try_for_each(|provider| self.wish_for(provider))
    }

    /// Takes in a module that is wished for. One that is not found, or lacks something itself, is
    /// left out.
    fn wish_for(&mut self, name: &str) -> Result<(), ModuleError> {
        let mut needed = HashSet::new();
        self.needs(name, &mut needed)?;
        if needed.iter().any(|name| self.seen.get(name) == Some(&Progress::Begun)) {
            if !self.seen.contains_key(name) {
                self.put_off.push(name.to_owned());
            }
            return Ok(());
        }
        let lacks = needed.iter().any(|name| !self.tree.has(name));
        if lacks { Ok(()) } else { self.require(name, None) }
    }

    fn providers(&mut self, name: &str) -> Result<BTreeSet<String>, ModuleError> {
        if self.tree.has(name) {
            return Ok(BTreeSet::from([name.to_owned()]));
        }
        if self.tree.builtin_alias(name)? {
            return Ok(BTreeSet::new());
        }
        // Reading all is slow where they are compressed; the name mostly tells: crypto-crc32c is
        // crc32c_generic or crc32c_intel.
        let algorithm = name.strip_prefix("crypto_").unwrap_or(name);
        let (likely, others): (Vec<_>, Vec<_>) =
            self.tree.algorithms().map(str::to_owned).partition(|module| module.contains(algorithm));
        for modules in [likely, others] {
            let mut found = BTreeSet::new();
            for module in modules {
                if self.info(&module)?.aliases.iter().any(|alias| alias == name) {
                    found.insert(module);
                }
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(BTreeSet::new())
    }

    fn info(&mut self, name: &str) -> Result<&ModInfo, ModuleError> {
        if !self.read.contains_key(name) {
            let info = self.tree.info(name)?;
            self.read.insert(name.to_owned(), info);
        }
        Ok(&self.read[name])
    }

    /// Adds the module and all that it depends on.
    fn needs(&mut self, name: &str, needed: &mut HashSet<String>) -> Result<(), ModuleError> {
        if needed.insert(name.to_owned()) && self.tree.file(name).is_some() {
            for dependency in self.info(name)?.depends.clone() {
                self.needs(&dependency, needed)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    use super::super::modinfo::tests::a_module;
    use super::*;
    use crate::codec::tests::{gzip, xz, zstd};

    /// Writes a tree: files with their modinfo, and what is built in.
    fn write(folder: &Path, modules: &[(&str, &[&str])], builtin: &[&str]) -> ModuleTree {
        for (file, texts) in modules {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let bytes = a_module(texts);
            let bytes = match path.extension().unwrap().to_str().unwrap() {
                "xz" => xz(&bytes),
                "zst" => zstd(&bytes),
                "gz" => gzip(&bytes),
                _ => bytes,
            };
            fs::write(path, bytes).unwrap();
        }
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("modules.builtin"), builtin.join("\n")).unwrap();
        ModuleTree::open(folder).unwrap()
    }

    fn told(modules: &[Module]) -> Vec<String> {
        modules
            .iter()
            .map(|module| format!("{}{}", module.name, if module.optional { "?" } else { "" }))
            .collect()
    }

    #[test]
    fn dependencies_come_first_and_builtin_ones_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let tree = write(
            folder.path(),
            &[
                ("kernel/net/nft-ct.ko.xz", &["depends=nf_tables,nf_conntrack"]),
                ("kernel/net/nf_tables.ko.zst", &["depends=nfnetlink,libcrc32c"]),
                ("kernel/net/nf_conntrack.ko.gz", &["depends=libcrc32c,ipv6"]),
                ("kernel/lib/libcrc32c.ko", &["depends="]),
                ("kernel/net/nfnetlink.ko", &[]),
                ("kernel/net/unasked.ko", &[]),
            ],
            &["kernel/net/ipv6/ipv6.ko"],
        );
        let modules = tree.resolve(&["nft_ct", "ipv6", "nf-tables"]).unwrap();
        assert_eq!(told(&modules), ["nfnetlink", "libcrc32c", "nf_tables", "nf_conntrack", "nft_ct"]);
        for module in &modules {
            assert!(ModInfo::of(&module.read().unwrap()).is_some(), "{module:?}");
        }
    }

    #[test]
    fn softdeps_are_found_by_alias_and_are_optional() {
        let folder = tempfile::tempdir().unwrap();
        let tree = write(
            folder.path(),
            &[
                ("kernel/lib/libcrc32c.ko", &["softdep=pre: crypto-crc32c post: late"]),
                ("kernel/crypto/crc32c_generic.ko", &["alias=crc32c", "alias=crypto-crc32c"]),
                ("kernel/arch/x86/crypto/crc32c-intel.ko", &["alias=crypto-crc32c", "depends=gone"]),
                ("kernel/crypto/sha.ko", &["alias=crypto-sha"]),
                ("kernel/net/late.ko", &["softdep=pre: sha_by_any_name libcrc32c"]),
            ],
            &[],
        );
        // The one that lacks a dependency itself is left out.
        assert_eq!(told(&tree.resolve(&["libcrc32c"]).unwrap()), ["crc32c_generic?", "libcrc32c", "late?"]);
        let missing = tree.resolve(&["libcrc32c", "crc32c_intel"]).unwrap_err();
        assert!(matches!(&missing, ModuleError::Missing { name, .. } if name == "gone"), "{missing}");
        // Asked for by name as well, it is needed.
        let modules = tree.resolve(&["libcrc32c", "crc32c_generic"]).unwrap();
        assert_eq!(told(&modules), ["crc32c_generic", "libcrc32c", "late?"]);
    }

    #[test]
    fn an_alias_may_belong_to_a_module_of_quite_another_name_or_to_a_builtin_one() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("modules.builtin.modinfo"), "core.license=GPL\0core.alias=crypto-md5\0")
            .unwrap();
        let tree = write(
            folder.path(),
            &[
                ("kernel/net/a.ko", &["softdep=pre: crypto-sha256 crypto-md5 crypto-none"]),
                ("kernel/crypto/odd.ko", &["alias=crypto-sha256"]),
                ("kernel/crypto/md5.ko", &["alias=crypto-md5"]),
            ],
            &[],
        );
        assert_eq!(told(&tree.resolve(&["a"]).unwrap()), ["odd?", "a"]);
    }

    #[test]
    fn what_is_missing_is_named_with_the_one_that_needs_it() {
        let folder = tempfile::tempdir().unwrap();
        let tree = write(&folder.path().join("6.1.0"), &[("kernel/a.ko", &["depends=b"])], &[]);
        let told = [["veth"], ["a"]].map(|names| tree.resolve(&names).unwrap_err().to_string());
        insta::assert_snapshot!(told.join("\n"));
        assert!(tree.has("a") && !tree.has("b"));
    }

    #[test]
    fn a_file_that_is_no_module_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.ko"), "text").unwrap();
        let error = ModuleTree::open(folder.path()).unwrap().resolve(&["a"]).unwrap_err();
        assert!(matches!(&error, ModuleError::NotAModule { path } if path.ends_with("a.ko")), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn in_any_tree_each_module_comes_once_and_after_its_dependencies(
            // Module i depends on modules with a smaller number, and wishes for any.
            links in prop::collection::vec((prop::collection::vec(any::<prop::sample::Index>(), 0..3), prop::collection::vec(any::<prop::sample::Index>(), 0..2)), 1..10),
            asked in any::<prop::sample::Index>(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let depends: Vec<Vec<usize>> = links.iter().enumerate()
                .map(|(at, (on, _))| if at == 0 { vec![] } else { on.iter().map(|index| index.index(at)).collect() })
                .collect();
            for (at, (_, wishes)) in links.iter().enumerate() {
                let names = |numbers: Vec<usize>, between: &str| numbers.iter().map(|number| format!("m{number}")).collect::<Vec<_>>().join(between);
                let softdep = format!("softdep=pre: {}", names(wishes.iter().map(|index| index.index(links.len())).collect(), " "));
                let texts = [format!("depends={}", names(depends[at].clone(), ",")), softdep];
                fs::write(folder.path().join(format!("m{at}.ko")), a_module(&[&texts[0], &texts[1]])).unwrap();
            }
            let modules = ModuleTree::open(folder.path()).unwrap().resolve(&[&format!("m{}", asked.index(links.len()))]).unwrap();
            let place = |number: usize| modules.iter().position(|module| module.name == format!("m{number}"));
            for (number, depends) in depends.iter().enumerate() {
                if let Some(at) = place(number) {
                    for dependency in depends {
                        prop_assert!(place(*dependency).is_some_and(|before| before < at), "m{} before m{}: {:?}", dependency, number, modules);
                    }
                }
            }
            let unique: HashSet<_> = modules.iter().map(|module| &module.name).collect();
            prop_assert_eq!(unique.len(), modules.len());
        }
    }
}
