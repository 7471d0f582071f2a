//! `kill -9` at random moments: nothing is left that the next run does not sweep, and no half row.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use crate::ground::{Ground, Seen, rows};
use crate::machine::LIMITS;
use crate::{BOTH, PLAIN, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "killed_at_ten_moments_a_run_leaves_whole_cells_and_no_process",
        who: BOTH,
        needs: &["rules by nft"],
        what: killed,
    },
    Test {
        name: "killed_at_ten_moments_a_run_leaves_no_namespace",
        who: PLAIN,
        needs: &[LIMITS],
        what: no_namespace,
    },
];

/// Cells of a quarter of a second, with data in flight on a link that goes down.
const CELLS: &str = "[client]\nsend = { every = \"20ms\", bytes = 1000 }\n\
                     [stop]\nwhen = \"limit\"\nlimit = \"250ms\"\n\
                     [[fault]]\nat = \"60ms\"\non = \"server\"\nlink = \"down\"\n";

/// And a rule by a program, which waits for its moment.
const RULE: &str = "[[fault]]\nat = \"120ms\"\non = \"server\"\n\
                    nft = \"add rule inet filter input meta skuid 0 drop\"\n";

/// Pseudo-random moments between zero and this: xorshift, whose seed is told.
struct Moments(u64);

impl Moments {
    fn seeded() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let seed = u64::from(now.subsec_nanos());
        println!("moments from the seed {seed}");
        Self(seed | 1)
    }

    fn within(&mut self, longest: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_micros(self.0 % u64::try_from(longest.as_micros()).expect("not that long"))
    }
}

fn kill_after(mut child: Child, moment: Duration) -> u32 {
    std::thread::sleep(moment);
    child.kill().expect("kill -9");
    child.wait().expect("wait");
    child.id()
}

/// Processes that were started with this variable in their environment.
fn processes_with(mark: &str) -> Vec<String> {
    let of_process = |entry: fs::DirEntry| {
        let environment = fs::read(entry.path().join("environ")).ok()?;
        let is_marked = environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes());
        is_marked.then(|| fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default())
    };
    fs::read_dir("/proc").expect("/proc").filter_map(|entry| of_process(entry.ok()?)).collect()
}

/// Names in tracefs, mounted where only this look sees it; empty where it may not be looked at.
fn instances(ground: &Ground) -> String {
    let script = "mount -t tracefs none /sys/kernel/tracing 2>/dev/null; ls /sys/kernel/tracing/instances";
    Seen::of(ground.unseen(script, &[])).out
}

fn killed(ground: &Ground) {
    ground.scenario("x", &format!("{CELLS}{RULE}"));
    let mark = format!("KILLED_BY_THE_TEST_IN={}", ground.path().display());
    let (name, value) = mark.split_once('=').expect("a variable");
    let mut moments = Moments::seeded();
    let killed: Vec<(u32, Duration, String)> = std::thread::scope(|scope| {
        let kill = |number: usize, moment: Duration| {
            let results = format!("results-{number}");
            let csv = format!("all-{number}.csv");
            let arguments =
                ["run", "x.toml", "--quiet", "--repeat", "20", "--results", &results, "--csv", &csv];
            let child = ground.command(&arguments).env(name, value).spawn().expect("it starts");
            (kill_after(child, moment), moment, csv)
        };
        let kills: Vec<_> = (0..10)
            .map(|number| {
                let moment = moments.within(Duration::from_secs(2));
                scope.spawn(move || kill(number, moment))
            })
            .collect();
        kills.into_iter().map(|kill| kill.join().expect("a kill")).collect()
    });

    // The programs that waited read an end of file and leave.
    let deadline = Instant::now() + Duration::from_secs(5);
    while !processes_with(&mark).is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(processes_with(&mark), [""; 0]);

    let mut cells = 0;
    for (_, moment, csv) in &killed {
        // Killed early it may not have begun to write.
        if fs::metadata(ground.path().join(csv)).is_ok_and(|file| file.len() > 0) {
            let rows = rows(&ground.path().join(csv));
            assert!(rows.len().is_multiple_of(2), "whole cells after {moment:?}");
            cells += rows.len() / 2;
        }
    }
    assert!(cells > 0, "some ended before the kill");

    ground.run(&["run", "x.toml", "--quiet"]).ended(0);
    let left = instances(ground);
    for (pid, moment, _) in &killed {
        assert!(!left.contains(&format!("keepalive-lab-{pid}-")), "{moment:?}: {left}");
    }
}

/// A user namespace that allows so many network namespaces, until dropped.
struct Limited(Child);

impl Limited {
    fn to(ground: &Ground, namespaces: u32) -> Self {
        let script =
            format!("echo {namespaces} >/proc/sys/user/max_net_namespaces; echo ready; exec sleep 600");
        let mut command = ground.unshared(&["-Ur"], &script, &[]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("unshare");
        let mut ready = [0; 6];
        let pipe = child.stdout.as_mut().expect("a pipe");
        std::io::Read::read_exact(pipe, &mut ready).expect("the limit is set");
        Self(child)
    }

    fn command(&self, ground: &Ground, arguments: &[&str]) -> Command {
        let mut command = ground.machine.starter(ground.who, "nsenter");
        let namespace = format!("--user=/proc/{}/ns/user", self.0.id());
        command.args([&namespace, "--preserve-credentials"]).arg(ground.machine.path()).args(arguments);
        command.current_dir(ground.path()).stdin(Stdio::null());
        command
    }
}

impl Limited {
    /// Starts a run that gets as far as its first connection. The kernel takes the namespaces of the run before
    /// down by itself, a little after its end.
    fn begin(&self, ground: &Ground, number: usize) -> Child {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let mut command = self.command(ground, &["run", "x.toml", "--json", "--repeat", "20"]);
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
            let lines = BufReader::new(child.stdout.as_mut().expect("a pipe")).lines();
            if lines.map_while(Result::ok).any(|line| line.contains("\"connected\"")) {
                return child;
            }
            child.wait().expect("wait");
            assert!(Instant::now() < deadline, "after {number} kills there are too many namespaces");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn no_namespace(ground: &Ground) {
    // What a run holds at once, told by the smallest limit that it can live with.
    ground.scenario("x", CELLS);
    ground.scenario("y", "[stop]\nwhen = \"limit\"\nlimit = \"10ms\"\n");
    let fits = |limit: u32| {
        let limited = Limited::to(ground, limit);
        let seen = Seen::of(limited.command(ground, &["run", "y.toml", "--quiet"]));
        seen.code == Some(0)
    };
    let enough = (3..20).find(|limit| fits(*limit)).expect("a run lives with twenty namespaces");

    // Room for two that the kernel has not taken down yet: three that a kill left would be too many.
    let limited = Limited::to(ground, enough + 2);
    let mut moments = Moments::seeded();
    for number in 0..10 {
        let mut child = limited.begin(ground, number);
        std::thread::sleep(moments.within(Duration::from_millis(600)));
        child.kill().expect("kill -9");
        child.wait().expect("wait");
    }
    let mut last = limited.begin(ground, 10);
    last.kill().expect("kill -9");
    last.wait().expect("wait");
}
