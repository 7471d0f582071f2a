//! How many cells can live at once: beyond some limits of the system they would disturb each other, and some
//! of them silently.

use std::num::NonZeroUsize;

use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::fault::Action;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors of one cell: its namespaces, netlink connections and TCP sockets (15 were counted), and three for
/// the runtime of each end that has a thread of its own.
const DESCRIPTORS_OF_A_CELL: usize = 22;

/// Descriptors of a rule whose program waits for its moment: the pipes to its input and from its errors, and
/// while it starts those by which it tells of that.
const DESCRIPTORS_OF_A_RULE: usize = 4;

/// Descriptors for all else: the lab's own, files being read and written.
const DESCRIPTORS_TO_SPARE: usize = 64;

/// Each host of a cell has one neighbour; a third is left to the rest of the machine.
const NEIGHBOURS_OF_A_CELL: usize = 3;

/// Where the kernel tells how many neighbours it keeps without searching for some to forget. Only the initial
/// network namespace has the file.
const NEIGHBOURS_KEPT: &str = "/proc/sys/net/ipv4/neigh/default/gc_thresh2";

/// What it is unless somebody set it (`arp_tbl` in `net/ipv4/arp.c`, `nd_tbl` in `net/ipv6/ndisc.c`).
const NEIGHBOURS_KEPT_BY_DEFAULT: usize = 512;

/// What the system has to give to cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Descriptors this process may still open.
    descriptors: usize,
    /// Neighbours that the kernel keeps, of all network namespaces together.
    neighbours: usize,
}

impl Capacity {
    /// Of this process, now.
    pub fn now() -> Self {
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let kept = std::fs::read_to_string(NEIGHBOURS_KEPT).ok().and_then(|text| text.trim().parse().ok());
        Self {
            descriptors: limit.saturating_sub(open),
            neighbours: kept.unwrap_or(NEIGHBOURS_KEPT_BY_DEFAULT),
        }
    }

    /// How many of these cells can live at once, at least one.
    ///
    /// A server that finds no descriptor for its connection dies of `EMFILE`; and where the neighbour table
    /// overflows (the kernel has one for all network namespaces), packets are lost that no fault has dropped.
    pub fn at_once(self, cells: &[Cell]) -> NonZeroUsize {
        let largest = cells.iter().map(descriptors_of).max().unwrap_or(DESCRIPTORS_OF_A_CELL);
        let descriptors = self.descriptors.saturating_sub(DESCRIPTORS_TO_SPARE) / largest;
        let neighbours = self.neighbours / NEIGHBOURS_OF_A_CELL;
        NonZeroUsize::new(descriptors.min(neighbours)).unwrap_or(NonZeroUsize::MIN)
    }
}

/// Descriptors that a cell takes at most.
fn descriptors_of(cell: &Cell) -> usize {
    let rules = cell.experiment.faults.iter().filter(|fault| matches!(fault.action, Action::Rule { .. }));
    DESCRIPTORS_OF_A_CELL + DESCRIPTORS_OF_A_RULE * rules.count()
}

/// Lets this process open as many descriptors as it may: the usual soft limit of 1024 stands for programs that
/// use `select(2)`.
pub fn raise_descriptor_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where that fails there are fewer cells at once.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

#[cfg(test)]
mod tests {
    use keepalive_lab_scenario::{Options, Scenario};

    use super::*;

    fn cells(text: &str) -> Vec<Cell> {
        Scenario::parse("test", text, &Options::default()).expect("a scenario").cells
    }

    fn at_once(descriptors: usize, neighbours: usize, cells: &[Cell]) -> usize {
        Capacity { descriptors, neighbours }.at_once(cells).get()
    }

    #[test]
    fn the_scarcest_of_what_cells_need_decides() {
        let plain = cells("[stop]\nlimit = \"1s\"\n");
        assert_eq!(at_once(1_000_000, 512, &plain), 170, "the neighbour table");
        assert_eq!(at_once(1024, 512, &plain), 43, "the descriptors");
        let rule = "[[fault]]\nat = \"1s\"\non = \"server\"\niptables = \"-A OUTPUT -j DROP\"\n";
        assert_eq!(at_once(1024, 512, &cells(&format!("{rule}{rule}"))), 32, "rules may need a program");
    }

    #[test]
    fn one_cell_is_always_tried() {
        assert_eq!(at_once(10, 0, &cells("[stop]\nlimit = \"1s\"\n")), 1);
        assert!(Capacity::now().at_once(&[]).get() >= 1);
    }
}
