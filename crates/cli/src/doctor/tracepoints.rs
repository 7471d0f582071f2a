//! The kernel's own time stamps: tracepoints through tracefs.

use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use keepalive_lab_evidence::{KernelEvent, KernelWatch, SocketEventKind};
use keepalive_lab_netlab::IpVersion;

use super::finding::{Finding, Weight};
use super::network;

/// A port that nobody listens on in a throw-away network.
const PORT: u16 = 7654;

/// Provokes an error in a throw-away network and waits for the kernel to tell of it.
pub(crate) fn probe() -> Finding {
    const POWER: &str = "tracepoints";
    match see_an_error() {
        Ok(told) => Finding::works(Weight::Optional, POWER, told),
        Err(error) => Finding::missing(Weight::Optional, POWER, error)
            .remedy("run as root; without it the column kernel_time_to_error_s stays empty"),
    }
}

fn see_an_error() -> Result<String, String> {
    let (sender, events) = mpsc::channel();
    let watch = KernelWatch::start(&[PORT], move |event| drop(sender.send(event)));
    let watch = watch.map_err(|error| error.to_string())?;
    let pair = network::pair(IpVersion::V4)?;
    let server = SocketAddr::new(pair.server.address(), PORT);
    let connect = || TcpStream::connect_timeout(&server, Duration::from_secs(5));
    let refused = pair.client.namespace().enter(connect).map_err(|error| error.to_string())?;
    drop(refused);
    watch.flush(Duration::from_secs(2));
    let seen = events.try_iter().any(|event| match event {
        KernelEvent::Socket(event) => {
            event.remote == server && matches!(event.what, SocketEventKind::ErrorReport { .. })
        }
        KernelEvent::Lost(_) => false,
    });
    match (seen, watch.missing()) {
        (true, _) => Ok("saw a refused connection as the kernel decided it".into()),
        (false, []) => Err("a refused connection was not reported".into()),
        (false, missing) => Err(format!("this kernel lacks {}", missing.join(", "))),
    }
}
