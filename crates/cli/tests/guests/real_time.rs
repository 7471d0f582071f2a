//! Guests on the ordinary clock.

use crate::ground::{Ground, row_of, seconds};
use crate::shipped::file;
use crate::{NEWER, Test};

pub(crate) const TESTS: &[Test] =
    &[Test { name: "quick_takes_its_ten_seconds_in_a_guest_in_real_time", needs: NEWER, what: quick }];

fn quick(ground: &Ground) {
    ground.run(&format!("run {} --kernel debian:6.12 --csv all.csv", file("quick"))).ended(0);
    let rows = ground.rows("all.csv");
    let (client, server) = (row_of(&rows, "quick", "client"), row_of(&rows, "quick", "server"));
    assert_eq!(
        [&*client["clock"], &*client["errno"], &*server["errno"]],
        ["real", "ETIMEDOUT", "ECONNRESET"]
    );
    assert_eq!(client["kernel"], ground.machine.kernel("6.12").release);
    let silent = seconds(client, "silent_s");
    assert!((5.0..6.0).contains(&silent), "{silent}");
    let machine = &ground.folder_of("quick").metadata()["machine"];
    assert!(["kvm", "tcg"].iter().any(|accelerator| machine["accelerator"] == *accelerator), "{machine:#}");
}
