//! Seeing packets: an `AF_PACKET` socket (`packet(7)`), as a packet capture uses.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use keepalive_lab_netlab::IpVersion;
use socket2::{Domain, Protocol, Socket, Type};

use super::finding::{Finding, Weight};
use super::network;

/// `ETH_P_IP` in network byte order, as `packet(7)` wants it.
const ETH_P_IP: i32 = 0x0800_u16.to_be() as i32;

/// Opens a packet socket at one host of a throw-away network and sees a SYN to it.
pub(crate) fn probe() -> Finding {
    const POWER: &str = "packet capture";
    match see_a_syn() {
        Ok(bytes) => Finding::works(Weight::Optional, POWER, format!("saw a SYN of {bytes} bytes")),
        Err(error) => Finding::missing(Weight::Optional, POWER, error)
            .remedy("the kernel needs AF_PACKET (modprobe af_packet)"),
    }
}

fn see_a_syn() -> Result<usize, String> {
    let pair = network::pair(IpVersion::V4)?;
    let open = || Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(ETH_P_IP)));
    let in_words = |error: io::Error| error.to_string();
    let entered = |error: keepalive_lab_netlab::EnterError| error.to_string();
    let mut packets = pair.server.namespace().enter(open).map_err(entered)?.map_err(in_words)?;
    packets.set_read_timeout(Some(Duration::from_secs(5))).map_err(in_words)?;
    let server = SocketAddr::new(pair.server.address(), 7654);
    // Nobody listens there: the answer is a RST, which is not what this is about.
    let connect = || TcpStream::connect_timeout(&server, Duration::from_secs(5));
    drop(pair.client.namespace().enter(connect).map_err(entered)?);
    packets.read(&mut [0; 2048]).map_err(in_words)
}
