//! One end: its socket options and its traffic.

use std::ops::Range;
use std::time::Duration;

use crate::check::findings::Findings;
use crate::end::{End, Ends};
use crate::error::Finding;
use crate::program::{Keepalive, Program, Send, SocketOptions, Traffic};
use crate::raw::duration::Bounds;
use crate::raw::union::{RawKeepalive, RawSends};
use crate::raw::value::Located;
use crate::raw::{RawEnd, RawSend};

/// Keys of `[client]` that `[server]` has not: only the client connects.
pub(crate) const CLIENT_ONLY: [&str; 2] = ["syn_count", "connect_timeout"];

/// Keys of `[server]` that `[client]` has not: only the server listens.
pub(crate) const SERVER_ONLY: [&str; 1] = ["port"];

const DEFAULT_PORT: u16 = 7654;

/// `MAX_TCP_KEEPIDLE` and `MAX_TCP_KEEPINTVL`, `include/net/tcp.h`.
const KEEPALIVE_TIMER: Bounds =
    Bounds::seconds(1, 32767, "TCP_KEEPIDLE and TCP_KEEPINTVL take no other (tcp(7))");

/// `TCP_USER_TIMEOUT` is an int of milliseconds, zero is off; `net/ipv4/tcp.c`, `do_tcp_setsockopt()`.
const USER_TIMEOUT: Bounds =
    Bounds::milliseconds(0, i32::MAX as u64, "TCP_USER_TIMEOUT takes no other (tcp(7))");

/// `TCP_RTO_MAX_SEC` is 120, the least is one second; `net/ipv4/tcp.c`, `do_tcp_setsockopt()`.
const RTO_MAX: Bounds = Bounds::milliseconds(1000, 120_000, "TCP_RTO_MAX_MS takes no other");

/// `l_linger` is an int of seconds, `socket(7)`; no linger needs to be longer than a day.
const LINGER: Bounds = Bounds::seconds(0, 86_400, "SO_LINGER counts whole seconds (socket(7))");

/// `setsockopt()` cuts buffers to half of an int, `net/core/sock.c`.
const MAX_BUFFER: i64 = i32::MAX as i64 / 2;

/// Larger writes would only measure memory.
const MAX_BYTES: i64 = 16 * 1024 * 1024;

pub(crate) fn check_port(findings: &mut Findings, ends: &Ends<&RawEnd>) -> u16 {
    if let Some(Located { span, .. }) = &ends.client.port {
        findings.push(
            Finding::new(span, "`port` belongs to the server")
                .help("write it in [server]; the client connects to it"),
        );
    }
    let port = findings.whole("port", ends.server.port.as_ref(), &(1..=65535), "a TCP port");
    port.unwrap_or(DEFAULT_PORT)
}

pub(crate) fn check_end(findings: &mut Findings, end: End, raw: &RawEnd, limit: Duration) -> Program {
    if end == End::Server {
        let spans =
            [raw.syn_count.as_ref().map(|it| &it.span), raw.connect_timeout.as_ref().map(|it| &it.span)];
        for (key, span) in CLIENT_ONLY.iter().zip(spans) {
            if let Some(span) = span {
                let finding = Finding::new(span, format!("`{key}` belongs to the client"));
                findings.push(finding.help("write it in [client]: only the client connects"));
            }
        }
    }
    Program {
        options: check_options(findings, raw),
        traffic: check_traffic(findings, raw, limit),
        connect_timeout: findings.duration(
            "connect_timeout",
            raw.connect_timeout.as_ref(),
            &Bounds::POSITIVE,
        ),
    }
}

fn check_options(findings: &mut Findings, raw: &RawEnd) -> SocketOptions {
    let buffer = 1..=MAX_BUFFER;
    let switch = |raw: &Option<Located<bool>>| raw.as_ref().map(|raw| raw.value);
    SocketOptions {
        keepalive: check_keepalive(findings, raw.keepalive.as_ref()),
        user_timeout: findings.duration("user_timeout", raw.user_timeout.as_ref(), &USER_TIMEOUT),
        syn_count: findings.whole(
            "syn_count",
            raw.syn_count.as_ref(),
            &(1..=127),
            "TCP_SYNCNT takes no other (tcp(7))",
        ),
        nodelay: switch(&raw.nodelay),
        linger: findings.duration("linger", raw.linger.as_ref(), &LINGER),
        send_buffer: findings.whole("send_buffer", raw.send_buffer.as_ref(), &buffer, "bytes of SO_SNDBUF"),
        receive_buffer: findings.whole(
            "receive_buffer",
            raw.receive_buffer.as_ref(),
            &buffer,
            "bytes of SO_RCVBUF",
        ),
        rto_max: findings.duration("rto_max", raw.rto_max.as_ref(), &RTO_MAX),
    }
}

fn check_keepalive(findings: &mut Findings, raw: Option<&Located<RawKeepalive>>) -> Option<Keepalive> {
    match &raw?.value {
        RawKeepalive::Switch(false) => None,
        RawKeepalive::Switch(true) => Some(Keepalive::default()),
        RawKeepalive::Timers(raw) => Some(Keepalive {
            idle: findings.duration("idle", raw.idle.as_ref(), &KEEPALIVE_TIMER),
            interval: findings.duration("interval", raw.interval.as_ref(), &KEEPALIVE_TIMER),
            count: findings.whole(
                "count",
                raw.count.as_ref(),
                &(1..=127),
                "TCP_KEEPCNT takes no other (tcp(7))",
            ),
        }),
    }
}

fn check_traffic(findings: &mut Findings, raw: &RawEnd, limit: Duration) -> Traffic {
    let is = |raw: &Option<Located<bool>>, default| raw.as_ref().map_or(default, |raw| raw.value);
    let (reply, read) = (is(&raw.reply, false), is(&raw.read, true));
    if let (true, false, Some(Located { span, .. })) = (reply, read, &raw.reply) {
        findings.push(
            Finding::new(span, "an end that does not read has nothing to send back")
                .help("leave out `reply` or `read = false`"),
        );
    }
    let sends: &[Located<RawSend>] = match raw.send.as_ref() {
        Some(Located { value: RawSends::Many(list), .. }) => list,
        _ => &[],
    };
    let mut checked: Vec<Send> =
        sends.iter().filter_map(|raw| check_send(findings, &raw.value, &raw.span, limit)).collect();
    if let Some(Located { value: RawSends::One(raw), span }) = &raw.send {
        checked.extend(check_send(findings, raw, span, limit));
    }
    let close_at = findings.duration("close_at", raw.close_at.as_ref(), &Bounds::ANY);
    if let (Some(at), Some(Located { span, .. })) = (close_at, &raw.close_at) {
        check_before_limit(findings, "close_at", at, span, limit);
    }
    Traffic {
        sends: checked,
        reply,
        read,
        idle_timeout: findings.duration("idle_timeout", raw.idle_timeout.as_ref(), &Bounds::POSITIVE),
        close_at,
    }
}

/// Notes a moment that the cell never reaches.
pub(crate) fn check_before_limit(
    findings: &mut Findings,
    name: &str,
    at: Duration,
    span: &Range<usize>,
    limit: Duration,
) {
    if at > limit {
        let message =
            format!("`{name}` would never come: the cell stops after {}", humantime::format_duration(limit));
        findings.push(
            Finding::new(span, message)
                .help("choose an earlier time, or a longer `limit` in [stop] (default 20m)"),
        );
    }
}

fn check_send(findings: &mut Findings, raw: &RawSend, span: &Range<usize>, limit: Duration) -> Option<Send> {
    const WAYS: &str = "{ every = \"500ms\", bytes = 13 }, { once = \"hello\" }, { at = \"5s\", bytes = 1000 } or { fill = true }";
    let kinds = [
        ("every", raw.every.as_ref().map(|it| &it.span)),
        ("once", raw.once.as_ref().map(|it| &it.span)),
        ("at", raw.at.as_ref().map(|it| &it.span)),
        ("fill", raw.fill.as_ref().map(|it| &it.span)),
    ];
    let mut written = kinds.iter().filter_map(|(name, span)| Some((*name, (*span)?)));
    let Some((kind, _)) = written.next() else {
        findings.push(Finding::new(span, "this sends nothing").help(format!("write one of {WAYS}")));
        return None;
    };
    if let Some((second, span)) = written.next() {
        let message = format!("one entry sends in one way, not both `{kind}` and `{second}`");
        findings
            .push(Finding::new(span, message).help(format!("write a list of entries, each one of {WAYS}")));
        return None;
    }
    let bytes = findings.whole("bytes", raw.bytes.as_ref(), &(1..=MAX_BYTES), "at most 16 MiB");
    match (kind, &raw.bytes) {
        ("every" | "at", None) => {
            findings.push(Finding::new(span, format!("`{kind}` needs `bytes`: how many to send")));
        }
        ("once" | "fill", Some(bytes)) => {
            findings.push(Finding::new(&bytes.span, format!("`bytes` does not go with `{kind}`")));
        }
        _ => {}
    }
    match kind {
        "every" => {
            let period = findings.duration("every", raw.every.as_ref(), &Bounds::POSITIVE);
            Some(Send::Every { period: period?, bytes: bytes? })
        }
        "at" => {
            let at = findings.duration("at", raw.at.as_ref(), &Bounds::ANY)?;
            check_before_limit(findings, "at", at, &raw.at.as_ref()?.span, limit);
            Some(Send::At { at, bytes: bytes? })
        }
        "once" => {
            let Located { value: text, span } = raw.once.as_ref()?;
            if text.is_empty() {
                findings.push(Finding::new(span, "`once` is an empty text: nothing would be sent"));
            }
            Some(Send::Once { text: text.clone() })
        }
        _ => {
            let fill = raw.fill.as_ref()?;
            if !fill.value {
                findings
                    .push(Finding::new(&fill.span, "`fill` can only be true").help("leave it out otherwise"));
            }
            Some(Send::Fill)
        }
    }
}
