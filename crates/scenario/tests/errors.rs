//! What people are told about a wrong scenario: each snapshot holds the messages of one subject.

mod show;

use std::fmt::Write;

use show::errors_of;

/// The messages of several texts, one after another.
fn all(texts: &[&str]) -> String {
    texts.iter().fold(String::new(), |mut shown, text| {
        writeln!(shown, "{}", errors_of(text, &[])).unwrap();
        shown
    })
}

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    insta::assert_snapshot!(all(&[
        "[client]\nkeepalive = { idel = \"2s\" }\n",
        "[clinet]\nnodelay = true\n",
        "[client]\ntimeout = \"5s\"\n",
        "[[fault]]\nat = \"5s\"\non = \"server\"\niptable = \"-A OUTPUT -j DROP\"\n",
        "[stop]\nlimits = \"5s\"\n",
        "[expect]\nclient = { errorno = \"ETIMEDOUT\" }\n",
        "[client]\nsend = [{ once = \"a\" }, { evry = \"1s\", bytes = 1 }]\n",
    ]));
}

#[test]
fn wrong_types_are_told_in_peoples_words() {
    insta::assert_snapshot!(all(&[
        "[client]\nidle_timeout = 75\n",
        "[client]\nuser_timeout = 1.5\n",
        "[client]\nkeepalive = { count = \"9\" }\n",
        "[client]\nkeepalive = \"60s\"\n",
        "[client]\nnodelay = \"true\"\n",
        "[client]\nsend = \"hello\"\n",
        "[client]\nsend = { once = 5 }\n",
        "title = 5\n",
        "title = 2026-01-01\n",
        "client = 5\n",
        "fault = \"-A OUTPUT -j DROP\"\n",
        "[[fault]]\nat = 5\n",
        "[[fault]]\nat = \"start\"\nheal = true\n",
        "[expect]\nclient = { within = 730 }\n",
        "[expect]\nclient = \"ETIMEDOUT\"\n",
        "[sysctl]\n\"net.ipv4.tcp_retries2\" = 1.5\n",
        "sysctl = 5\n",
        "[client]\nsyn_count = 1e3\n",
        "[client]\nsyn_count = 999999999999999999999999999999999999999999\n",
    ]));
}

#[test]
fn durations_that_make_no_sense_are_refused() {
    insta::assert_snapshot!(all(&[
        "[client]\nidle_timeout = \"-5s\"\n",
        "[client]\nidle_timeout = \"75\"\n",
        "[client]\nidle_timeout = \"5 sek\"\n",
        "[client]\nidle_timeout = \"\"\n",
        "[client]\nidle_timeout = \"soon\"\n",
        "[client]\nidle_timeout = \"0s\"\n",
        "[stop]\nlimit = \"11years\"\n",
        "[stop]\nlimit = \"18446744073709551615s 1000000000ns\"\n",
        "[stop]\nlimit = \"0s\"\n",
        "[client]\nsend = { every = \"10us\", bytes = 1 }\n",
    ]));
}

#[test]
fn socket_options_keep_to_the_kernels_ranges() {
    insta::assert_snapshot!(all(&[
        "[client]\nkeepalive = { idle = \"500ms\", interval = \"32768s\", count = 0 }\n",
        "[client]\nkeepalive = { idle = \"0s\", count = 128 }\n",
        "[client]\nuser_timeout = \"25days\"\nsyn_count = 0\nlinger = \"1500ms\"\n",
        "[client]\nrto_max = \"500ms\"\nsend_buffer = 0\nreceive_buffer = 2147483648\n",
        "[server]\nport = 65536\n",
        "[client]\nport = 80\n",
        "[server]\nsyn_count = 3\nconnect_timeout = \"5s\"\n",
    ]));
}

#[test]
fn traffic_that_contradicts_itself_is_refused() {
    insta::assert_snapshot!(all(&[
        "[client]\nsend = {}\n",
        "[client]\nsend = { every = \"1s\", once = \"x\", bytes = 1 }\n",
        "[client]\nsend = { every = \"1s\" }\n",
        "[client]\nsend = [{ once = \"x\", bytes = 1 }, { once = \"\" }, { fill = false }]\n",
        "[client]\nsend = { at = \"21m\", bytes = 16777217 }\n",
        "[client]\nclose_at = \"1h\"\n",
        "[client]\nread = false\nreply = true\n",
    ]));
}

#[test]
fn faults_say_when_where_and_what() {
    insta::assert_snapshot!(all(&[
        "[[fault]]\non = \"server\"\nlink = \"down\"\n",
        "[[fault]]\nat = \"5s\"\nafter = \"client.error\"\non = \"server\"\nlink = \"down\"\n",
        "[[fault]]\nat = \"5s\"\nplus = \"5s\"\non = \"server\"\nlink = \"down\"\n",
        "[[fault]]\nat = \"5s\"\non = \"server\"\n",
        "[[fault]]\nat = \"5s\"\non = \"server\"\nlink = \"down\"\nnft = \"add table x\"\n",
        "[[fault]]\nat = \"5s\"\nlink = \"down\"\n",
        "[[fault]]\nat = \"5s\"\non = \"firewall\"\nnft = \"add table x\"\n",
        "[[fault]]\nat = \"5s\"\non = \"sever\"\nlink = \"dwon\"\n",
        "[[fault]]\nat = \"5s\"\non = \"server\"\niptables = \" iptables \"\n",
        "[[fault]]\nat = \"25m\"\non = \"server\"\nlink = \"down\"\n",
        "[[fault]]\nat = \"-5s\"\non = \"server\"\nlink = \"down\"\n",
    ]));
}

#[test]
fn events_that_cannot_come_are_refused() {
    insta::assert_snapshot!(all(&[
        "[[fault]]\nafter = \"client.idle\"\non = \"server\"\nlink = \"down\"\n",
        "[[fault]]\nafter = \"client.eror\"\non = \"server\"\nlink = \"down\"\n",
        "[[fault]]\nafter = \"client.error\"\nplus = \"1h\"\non = \"server\"\nlink = \"down\"\n",
    ]));
}

#[test]
fn names_and_heals_fit_together() {
    let link = |rest: &str| format!("[[fault]]\nat = \"5s\"\non = \"server\"\nlink = \"down\"\n{rest}\n");
    let heal = |what: &str| {
        format!("{}[[fault]]\nat = \"9s\"\nname = \"mend\"\nheal = {what}\n", link("name = \"out\""))
    };
    insta::assert_snapshot!(all(&[
        &heal("[\"outt\"]"),
        &heal("\"mend\""),
        &format!("{}[[fault]]\nat = \"10s\"\nheal = [\"mend\"]\n", heal("\"all\"")),
        &heal("[]"),
        "[[fault]]\nat = \"9s\"\nheal = \"all\"\n",
        &format!("{}{}", link("name = \"out\""), link("name = \"out\"")),
        &format!("{}{}", link("name = \"fault-2\""), link("")),
        &link("name = \"all\""),
        &link("name = \"7\""),
        &link("name = \"the one\""),
        &heal("\"all\"\non = \"server\""),
    ]));
}

#[test]
fn expectations_can_be_met() {
    insta::assert_snapshot!(all(&[
        "[expect]\nclient = { errno = \"ETIMEOUT\" }\n",
        "[expect]\nclient = { errno = \"EWHATEVER\" }\n",
        "[expect]\nclient = { syscall = \"recv\" }\n",
        "[expect]\nclient = { outcome = \"alive\", errno = \"ETIMEDOUT\" }\n",
        "[expect]\nclient = { outcome = \"dead\" }\n",
        "[expect]\nclient = { silent_within = \"predicted\" }\n",
        "[expect]\nclient = { within = [\"760s\", \"730s\"] }\n",
        "[expect]\nclient = { within = [\"760s\"] }\n",
        "[expect]\nclient = { within = [\"30m\", \"40m\"] }\n",
        "[expect]\nserver = {}\n",
    ]));
}

#[test]
fn the_network_and_its_sysctls_are_known() {
    insta::assert_snapshot!(all(&[
        "[network]\nip = \"ipv5\"\ntopology = \"chain\"\n",
        "[sysctl]\n\"kernel.hostname\" = \"x\"\n",
        "[sysctl]\n\"net/ipv4/tcp_retries2\" = 5\n",
        "[sysctl]\n\"net.ipv4..x\" = 5\n\"net.ipv4/../../kernel.x\" = 5\n",
        "[sysctl]\n\"net.ipv4.tcp_retries2\" = 5\nnet.ipv4.tcp_retries2 = 6\n",
        "[sysctl]\n\"net.ipv4.tcp_rmem\" = \"1\\n2\"\n",
        "[stop]\nwhen = \"both_closed\"\n",
    ]));
}

#[test]
fn sweeps_name_keys_that_exist_and_lists_of_a_sane_length() {
    let thousand: Vec<String> = (1..=1000).map(|number| number.to_string()).collect();
    let thousand = thousand.join(", ");
    let three = "\"client.keepalive.idle\" = [\"1s\", \"2s\", \"3s\"]";
    insta::assert_snapshot!(all(&[
        "[sweep]\n\"client.keepalive.idel\" = [\"2s\", \"4s\"]\n",
        "[sweep]\nzip = [\"2s\"]\n",
        "[sweep]\n\"client.keepalive.idle\" = \"2s\"\n",
        "[sweep]\n\"client.keepalive.idle\" = []\n",
        "[sweep]\n\"client.keepalive.idle\" = [\"2s\", \"2s\"]\n",
        "[sweep]\n\"client..idle\" = [\"2s\"]\n",
        "[sweep]\n\"fault.out.at\" = [\"2s\"]\n",
        "[sweep]\n\"fault.ot.at\" = [\"2s\"]\n[[fault]]\nname = \"out\"\nat = \"1s\"\non = \"server\"\nlink = \"down\"\n",
        "[sweep]\n\"fault.1.at\" = [\"2s\"]\n[[fault]]\nat = \"1s\"\non = \"server\"\nlink = \"down\"\n",
        "[client]\nkeepalive = false\n[sweep]\n\"client.keepalive.idle\" = [\"2s\"]\n",
        "[sweep]\n\"client.keepalive\" = [true]\n\"client.keepalive.idle\" = [\"2s\"]\n",
        "[sweep]\ntitle = [\"a\", \"b\"]\n",
        &format!("[sweep]\n{three}\nrepeat = 0\n"),
        &format!("[sweep]\n{three}\nrepeat = \"3\"\n"),
        &format!("[sweep]\n{three}\nrepeat = 333_334\n"),
        "sweep = 3\n",
    ]));
    let huge = format!(
        "[sweep]\n\"server.port\" = [{thousand}]\n\"client.send_buffer\" = [{thousand}]\n\"client.receive_buffer\" = [1, 2]\n"
    );
    insta::assert_snapshot!("a_sweep_of_two_million", errors_of(&huge, &[]));
}

#[test]
fn an_error_of_one_combination_tells_its_values_and_points_into_the_sweep() {
    insta::assert_snapshot!(all(&[
        "[sweep]\n\"client.keepalive.idle\" = [\"2s\", \"40000s\", 5]\n\"client.keepalive.count\" = [3, 4]\n",
        "[stop]\nlimit = \"1h\"\n[[fault]]\nname = \"out\"\nat = \"45m\"\non = \"server\"\nlink = \"down\"\n\
         [sweep]\n\"stop.limit\" = [\"2h\", \"30m\"]\n",
        "[client]\nnodelai = true\n[sweep]\n\"client.keepalive.idle\" = [\"2s\", \"4s\"]\n",
    ]));
}

#[test]
fn several_problems_are_told_at_once_in_the_order_of_the_text() {
    insta::assert_snapshot!(all(&[
        "[expect]\nclient = { errno = \"ETIMEOUT\" }\n[client]\nidle_timeout = \"0s\"\nsyn_count = 0\n[stop]\nlimit = \"-1s\"\n",
    ]));
}

#[test]
fn texts_that_are_no_toml_show_the_place() {
    insta::assert_snapshot!(all(&[
        "",
        "# only a comment\n",
        "[client\n",
        "[client]\nidle_timeout = 5s\n",
        "[client]\nnodelay = true\nnodelay = false\n",
        "[client]\nidle_timeout = \"5s\n",
        "[client]\nsend = [{ once = \"x\" }\n",
        &format!("title = {}", "[".repeat(100)),
        &format!("{}x = 1", "a.".repeat(60)),
    ]));
}

#[test]
fn an_error_in_an_override_points_at_the_argument() {
    let text = "[client]\nkeepalive = { idle = \"2s\" }\n";
    let mut shown = String::new();
    for set in [
        "client.keepalive.idle=40000s",
        "client.keepalive.idle=2",
        "client.keepalive.idel=2s",
        "fault.out.at=5s",
        "client.keepalive.idle.x=5s",
        "client.send.0.bytes=5",
        "sweep.\"client.keepalive.count\"=[1, 200]",
        " stop.limit = \"0s\" ",
    ] {
        writeln!(shown, "{}", errors_of(text, &[set])).unwrap();
    }
    for malformed in
        ["client.nodelay", "client.nodelay=", "=5", "client.=5", "client.send={once='x'", "title=\"x"]
    {
        let error = malformed.parse::<keepalive_lab_scenario::Override>().unwrap_err();
        writeln!(shown, "{}", show::show(&error)).unwrap();
    }
    insta::assert_snapshot!(shown);
}
