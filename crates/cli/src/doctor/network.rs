//! Namespaces, veth, addresses, and the TCP options of this kernel.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use keepalive_lab_endpoint::{Connector, SocketError, SocketOption};
use keepalive_lab_netlab::{Builder, IpVersion, Pair, PairPlan, Subnet};
use keepalive_lab_scenario::program::Program;

use super::finding::{Finding, Weight};

/// The subnet of throw-away networks: that of no cell.
const SUBNET: u32 = u32::MAX;

/// Builds a pair of hosts for each version of IP and has them talk; tries the newer socket options.
pub(crate) fn probe() -> Vec<Finding> {
    let version = |version, weight, power| match talk(version) {
        Ok(took) => {
            let took = took.as_secs_f64() * 1e3;
            let detail = format!("two namespaces, a veth pair, a TCP connection ({took:.1} ms)");
            Finding::works(weight, power, detail)
        }
        Err(error) => Finding::missing(weight, power, error),
    };
    vec![
        version(IpVersion::V4, Weight::Needed, "network over IPv4"),
        version(IpVersion::V6, Weight::Optional, "network over IPv6"),
        rto_max(),
    ]
}

fn talk(version: IpVersion) -> Result<Duration, String> {
    let began = Instant::now();
    let pair = pair(version)?;
    exchange(&pair).map_err(|error| format!("the two hosts could not talk: {error}"))?;
    Ok(began.elapsed())
}

/// A throw-away pair of hosts.
pub(crate) fn pair(version: IpVersion) -> Result<Pair, String> {
    let subnet = Subnet::nth(SUBNET, version);
    let builder = Builder::new().map_err(|error| error.to_string())?;
    builder.pair(&PairPlan { subnet }).map_err(|error| error.to_string())
}

fn exchange(pair: &Pair) -> io::Result<()> {
    let entered = |error| io::Error::other(format!("{error}"));
    let address = SocketAddr::new(pair.server.address(), 0);
    let listener = pair.server.namespace().enter(|| TcpListener::bind(address)).map_err(entered)??;
    let server = listener.local_addr()?;
    let patience = Duration::from_secs(5);
    let connect = || TcpStream::connect_timeout(&server, patience);
    let mut client = pair.client.namespace().enter(connect).map_err(entered)??;
    let (mut accepted, _) = listener.accept()?;
    accepted.set_read_timeout(Some(patience))?;
    client.write_all(b"hello")?;
    accepted.read_exact(&mut [0; 5])
}

/// `TCP_RTO_MAX_MS`, the option of scenarios that not every kernel has.
fn rto_max() -> Finding {
    const POWER: &str = "TCP_RTO_MAX_MS";
    let mut program = Program::default();
    program.options.rto_max = Some(Duration::from_secs(1));
    match Connector::new(SocketAddr::from(([127, 0, 0, 1], 0)), &program) {
        Ok(_) => Finding::works(Weight::Optional, POWER, "set on a socket and read back (key rto_max)"),
        Err(error @ SocketError::OptionRefused { option: SocketOption::RtoMax, .. }) => {
            let finding = Finding::missing(Weight::Optional, POWER, error.to_string());
            finding.remedy("a kernel of 6.15 or newer; only scenarios with the key rto_max need it")
        }
        Err(error) => Finding::missing(Weight::Optional, POWER, error.to_string()),
    }
}
