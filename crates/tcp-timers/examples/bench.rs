//! How long a question takes: `cargo run --release -p tcp-timers --example bench`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use tcp_timers::{
    Answer, Flight, Keepalive, Kernel, KernelVersion, Loss, Options, ShutWindow, Silence, Socket, SynMeets,
    Sysctls, connecting, data_in_flight, data_refused, keepalive, zero_window,
};

const ROUNDS: u32 = 200;

/// Tick rates.
const RATES: [u32; 4] = [100, 250, 300, 1000];

/// What is asked, of a socket with these options.
type Question<'a> = (&'a str, Options, Box<dyn Fn(&Socket) -> Answer + 'a>);

fn main() {
    let seconds = Duration::from_secs;
    let streamed =
        Silence { stream: Some(Duration::from_millis(500)), ..Silence::new(seconds(20), Loss::Path) };
    let with = |idle, interval, count| Options {
        keepalive: Some(Keepalive { idle: seconds(idle), interval: seconds(interval), count }),
        ..Options::default()
    };
    let bounded = Options { user_timeout: Some(seconds(30)), ..Options::default() };
    let stalled = ShutWindow { dead: Some((seconds(400), Loss::Path)) };
    let silent = SynMeets::Nothing(Loss::Path);
    let questions: [Question; 10] = [
        ("keepalive 60/75/9", with(60, 75, 9), Box::new(|socket| keepalive(socket, &streamed))),
        ("keepalive 2/75/9", with(2, 75, 9), Box::new(|socket| keepalive(socket, &streamed))),
        ("keepalive 7200/75/9", with(7200, 75, 9), Box::new(|socket| keepalive(socket, &streamed))),
        ("keepalive 1/7200/127", with(1, 7200, 127), Box::new(|socket| keepalive(socket, &streamed))),
        (
            "data in flight",
            Options::default(),
            Box::new(|socket| data_in_flight(socket, &Flight::new(Loss::Path))),
        ),
        (
            "data in flight, user timeout",
            bounded.clone(),
            Box::new(|socket| data_in_flight(socket, &Flight::new(Loss::Path))),
        ),
        ("data refused", Options::default(), Box::new(|socket| data_refused(socket, Loss::Refused))),
        ("zero window, 400 s", Options::default(), Box::new(|socket| zero_window(socket, &stalled))),
        ("connect", Options::default(), Box::new(|socket| connecting(socket, silent))),
        ("connect, user timeout", bounded, Box::new(|socket| connecting(socket, silent))),
    ];
    println!("microseconds a question at HZ={RATES:?}");
    for (name, options, question) in &questions {
        let times = RATES.map(|hz| {
            let kernel = Kernel { version: KernelVersion::new(6, 12), hz };
            let sysctls = Sysctls::default();
            let socket =
                Socket { kernel, options, sysctls: &sysctls, round_trip: Duration::from_micros(100) };
            let time = || {
                let start = Instant::now();
                black_box(question(&socket));
                start.elapsed()
            };
            // The shortest: whatever else runs can only prolong it.
            let shortest = (0..ROUNDS).map(|_| time()).min().unwrap_or_default();
            format!("{:9.1}", shortest.as_secs_f64() * 1e6)
        });
        println!("{name:30} {}", times.join(" "));
    }
}
