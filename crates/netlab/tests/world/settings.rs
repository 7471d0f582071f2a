//! Sysctls of one host.

use keepalive_lab_netlab::{Namespace, SysctlError, sysctl};

use crate::{Test, VERSIONS, builder, pair};

pub(crate) const TESTS: &[Test] = &[
    ("a_sysctl_is_written_in_one_host_only", a_sysctl_is_written_in_one_host_only),
    ("words_of_a_sysctl_are_compared_not_their_spaces", words_of_a_sysctl_are_compared_not_their_spaces),
    (
        "a_sysctl_that_does_not_exist_brings_the_nearest_name",
        a_sysctl_that_does_not_exist_brings_the_nearest_name,
    ),
    ("a_value_out_of_range_is_refused_by_name", a_value_out_of_range_is_refused_by_name),
    ("a_value_that_the_kernel_changes_is_reported", a_value_that_the_kernel_changes_is_reported),
    ("a_folder_is_no_sysctl", a_folder_is_no_sysctl),
];

fn a_sysctl_is_written_in_one_host_only() {
    let pair = pair(&builder(), 0, VERSIONS[0]);
    let name = "net.ipv4.tcp_retries2";
    let home = Namespace::current().expect("home");
    let at_home = sysctl::read(&home, name).expect("read");
    let at_server = pair.server.read_sysctl(name).expect("read");
    assert_ne!(at_server, "3");
    assert_eq!(pair.client.write_sysctl(name, "3").expect("write"), "3");
    assert_eq!(pair.client.read_sysctl(name).expect("read"), "3");
    assert_eq!(pair.server.read_sysctl(name).expect("read"), at_server);
    assert_eq!(sysctl::read(&home, name).expect("read"), at_home);
}

fn words_of_a_sysctl_are_compared_not_their_spaces() {
    let pair = pair(&builder(), 0, VERSIONS[1]);
    let written = pair.client.write_sysctl("net.ipv4.tcp_rmem", " 4096  8192\t16384\n").expect("write");
    assert_eq!(written, "4096 8192 16384");
}

fn a_sysctl_that_does_not_exist_brings_the_nearest_name() {
    let pair = pair(&builder(), 0, VERSIONS[0]);
    let error = pair.client.write_sysctl("net.ipv4.tcp_retry2", "3").expect_err("there is none");
    let SysctlError::NotFound { nearest, .. } = &error else { panic!("{error:?}") };
    assert!(nearest.iter().any(|name| name == "net.ipv4.tcp_retries2"), "{nearest:?}");
    assert!(error.to_string().contains("did you mean `net.ipv4."), "{error}");
}

fn a_value_out_of_range_is_refused_by_name() {
    let pair = pair(&builder(), 0, VERSIONS[0]);
    for value in ["-1", "seven", "99999999999999999999"] {
        let error = pair.client.write_sysctl("net.ipv4.tcp_keepalive_probes", value).expect_err(value);
        assert!(matches!(&error, SysctlError::Refused { .. }), "{error:?}");
        assert!(error.to_string().contains("EINVAL"), "{error}");
    }
}

fn a_value_that_the_kernel_changes_is_reported() {
    let pair = pair(&builder(), 0, VERSIONS[0]);
    // A leading zero makes a number octal (`proc_dointvec()`).
    let error = pair.client.write_sysctl("net.ipv4.tcp_retries2", "015").expect_err("15 is not 015");
    let SysctlError::Changed { in_force, .. } = &error else { panic!("{error:?}") };
    assert_eq!(in_force, "13");
}

fn a_folder_is_no_sysctl() {
    let pair = pair(&builder(), 0, VERSIONS[0]);
    let error = pair.client.write_sysctl("net.ipv4", "1").expect_err("a folder");
    assert!(matches!(error, SysctlError::Refused { .. }), "{error:?}");
}
