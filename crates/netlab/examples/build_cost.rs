//! What a pair of hosts costs through `Builder`, beside the bare sequence of system calls and
//! netlink messages written out by hand, as lean as it can be. Both take turns, so that a busy
//! machine is busy for both. Prints one line of JSON; times are medians in milliseconds.
//!
//! `cargo run --release -p keepalive-lab-netlab --example build_cost [-- PAIRS]`; as root, or as
//! anyone who may have a user namespace. 100 pairs of each kind take 100 MB of kernel memory.

use std::time::{Duration, Instant};

use keepalive_lab_netlab::{Builder, IpVersion, PairPlan, Subnet, userns};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    userns::acquire()?;
    let pairs: usize = std::env::args().nth(1).map_or(Ok(100), |count| count.parse())?;
    let builder = Builder::new()?;
    let bare = bare::Builder::new()?;

    let mut held = (Vec::new(), Vec::new());
    let mut times = [Vec::new(), Vec::new()];
    for index in 0..u32::try_from(pairs)? {
        // Which of the two goes first changes, too.
        for turn in [index % 2, (index + 1) % 2] {
            let subnet = Subnet::nth(2 * index + turn, IpVersion::V4);
            let started = Instant::now();
            if turn == 0 {
                held.0.push(builder.pair(&PairPlan { subnet })?);
            } else {
                held.1.push(bare.pair(subnet)?);
            }
            times[turn as usize].push(started.elapsed());
        }
    }
    let started = Instant::now();
    drop(held.0);
    let down = started.elapsed();

    let [builder, bare] = times.map(median);
    let (builder, bare, down) = (milliseconds(builder), milliseconds(bare), milliseconds(down));
    let ratio = builder / bare;
    #[allow(clippy::cast_precision_loss)] // a count of pairs
    let down = down / pairs as f64;
    println!(
        "{{\"pairs\":{pairs},\"builder_ms\":{builder:.3},\"bare_ms\":{bare:.3},\"ratio\":{ratio:.3},\"drop_ms\":{down:.4}}}"
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The same pair by hand: no checks beyond the kernel's own, and no wait for the first packet.
mod bare {
    use std::fs::{self, File};
    use std::net::IpAddr;
    use std::os::fd::{AsRawFd, OwnedFd, RawFd};

    use keepalive_lab_netlab::Subnet;
    use nix::sched::{CloneFlags, setns, unshare};
    use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

    use super::Failure;

    const RTM_NEWLINK: u16 = 16;
    const RTM_NEWADDR: u16 = 20;
    const REQUEST: u16 = 1;
    const ACK: u16 = 4;
    const CREATE: u16 = 0x600; // NLM_F_CREATE | NLM_F_EXCL

    pub(super) struct Builder {
        home: File,
        scratch: OwnedFd,
    }

    /// Two namespaces, and an rtnetlink socket in each.
    pub(super) struct Pair {
        _descriptors: [(File, OwnedFd); 2],
    }

    impl Builder {
        pub(super) fn new() -> Result<Self, Failure> {
            let home = namespace()?;
            unshare(CloneFlags::CLONE_NEWNET)?;
            let scratch = rtnetlink()?;
            setns(&home, CloneFlags::CLONE_NEWNET)?;
            Ok(Self { home, scratch })
        }

        pub(super) fn pair(&self, subnet: Subnet) -> Result<Pair, Failure> {
            let hosts = [host()?, host()?];
            setns(&self.home, CloneFlags::CLONE_NEWNET)?;

            let peer = end(3, hosts[1].0.as_raw_fd(), &[]);
            let kind = [attribute(1, b"veth\0"), attribute(2, &attribute(1, &peer))].concat();
            let veth = end(2, hosts[0].0.as_raw_fd(), &attribute(18, &kind));
            exchange(&self.scratch, &message(RTM_NEWLINK, CREATE | ACK, &veth))?;

            for ((_, socket), (index, address)) in
                hosts.iter().zip([(2, subnet.client()), (3, subnet.server())])
            {
                let IpAddr::V4(address) = address else {
                    return Err("an IPv4 subnet is needed".into());
                };
                let mut body = vec![2, subnet.prefix_length(), 0, 0]; // AF_INET
                body.extend(u32::to_ne_bytes(index));
                body.extend(attribute(1, &address.octets()));
                body.extend(attribute(2, &address.octets()));
                let batch = [up(1, 0), message(RTM_NEWADDR, CREATE, &body), up(index, ACK)].concat();
                exchange(socket, &batch)?;
            }
            Ok(Pair { _descriptors: hosts })
        }
    }

    /// A new namespace without IPv6; the thread stays in it.
    fn host() -> Result<(File, OwnedFd), Failure> {
        unshare(CloneFlags::CLONE_NEWNET)?;
        fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")?;
        Ok((namespace()?, rtnetlink()?))
    }

    fn namespace() -> std::io::Result<File> {
        File::open("/proc/thread-self/ns/net")
    }

    fn rtnetlink() -> nix::Result<OwnedFd> {
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)
    }

    /// One acknowledgement, or the first error.
    fn exchange(socket: &OwnedFd, request: &[u8]) -> Result<(), Failure> {
        send(socket.as_raw_fd(), request, MsgFlags::empty())?;
        let mut answer = [0; 1024];
        recv(socket.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT)?;
        match i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]) {
            0 => Ok(()),
            code => Err(std::io::Error::from_raw_os_error(-code).into()),
        }
    }

    fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(16 + body.len()).expect("a short message");
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((REQUEST | flags).to_ne_bytes());
        bytes.extend([0; 8]); // sequence number and port
        bytes.extend(body);
        bytes
    }

    /// `struct ifinfomsg`: family, type, index, flags, mask of flags to change.
    fn link(index: u32, flags: u32) -> Vec<u8> {
        [0, index, flags, flags].into_iter().flat_map(u32::to_ne_bytes).collect()
    }

    fn up(index: u32, flags: u16) -> Vec<u8> {
        message(RTM_NEWLINK, flags, &link(index, 1)) // IFF_UP
    }

    /// One end of the veth pair: name, namespace, one queue each way.
    fn end(index: u32, namespace: RawFd, rest: &[u8]) -> Vec<u8> {
        [
            link(index, 0),
            attribute(3, b"eth0\0"),
            attribute(28, &namespace.to_ne_bytes()),
            attribute(31, &1_u32.to_ne_bytes()),
            attribute(32, &1_u32.to_ne_bytes()),
            rest.to_vec(),
        ]
        .concat()
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).expect("a short attribute");
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }
}
