//! Which kernels can be had, and their files.
//!
//! [`Cache::obtain`] turns what a user writes after `--kernel` ([`KernelSpec`]) into a [`Kernel`]:
//! an image to boot and the folder of its modules. [`ModuleTree`] finds a kernel's modules and
//! their order of loading. Kernels of Debian's are fetched through the machine's own apt and kept in
//! the user's cache; nothing is installed, and apt's own files stay as they are.

mod apt;
mod cache;
mod checksum;
mod codec;
mod error;
mod image;
mod lists;
mod local;
mod modules;
mod obtain;
mod spec;
mod step;
mod version;

pub use apt::AvailableKernel;
pub use cache::{Cache, CachedKernel, PackageFile, PackageOrigin};
pub use error::KernelError;
pub use modules::{Module, ModuleError, ModuleTree};
pub use obtain::Kernel;
pub use spec::{DebianSpec, KernelSpec, SpecError};
pub use step::Step;
pub use version::{PrefixError, VersionPrefix, compare_versions};
