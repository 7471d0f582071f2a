//! Sweeps into cells.

mod show;

use keepalive_lab_scenario::cell::Phase;
use keepalive_lab_scenario::{Cell, Options, Scenario};
use show::options;

fn cells(text: &str, sets: &[&str]) -> Vec<Cell> {
    let scenario = Scenario::parse("test", text, &options(sets));
    scenario.unwrap_or_else(|error| panic!("{}", show::show(&error))).cells
}

/// `id/repeat: value value`.
fn summary(cells: &[Cell]) -> Vec<String> {
    let line = |cell: &Cell| {
        let values: Vec<&str> = cell.parameters.iter().map(|parameter| parameter.value.as_str()).collect();
        format!("{}/{}: {}", cell.id, cell.repeat, values.join(" "))
    };
    cells.iter().map(line).collect()
}

#[test]
fn the_first_key_changes_slowest_and_repeats_fastest() {
    // In the file's order, which is not that of the alphabet.
    let text =
        "[sweep]\n\"server.user_timeout\" = [\"1s\", \"2s\"]\n\"client.syn_count\" = [3, 4]\nrepeat = 2\n";
    let expected = [
        "1/1: 1s 3",
        "1/2: 1s 3",
        "2/1: 1s 4",
        "2/2: 1s 4",
        "3/1: 2s 3",
        "3/2: 2s 3",
        "4/1: 2s 4",
        "4/2: 2s 4",
    ];
    assert_eq!(summary(&cells(text, &[])), expected);
}

#[test]
fn numbers_are_padded_to_the_width_of_their_count() {
    let ports = |count: u32| {
        let list: Vec<String> = (1..=count).map(|port| port.to_string()).collect();
        cells(&format!("[sweep]\n\"server.port\" = [{}]\n", list.join(", ")), &[])
    };
    assert_eq!(ports(9)[8].id, "9");
    assert_eq!((ports(10)[0].id.as_str(), ports(10)[9].id.as_str()), ("01", "10"));
    assert_eq!(ports(100)[6].folder(), "007");
}

#[test]
fn each_cell_has_the_values_of_its_combination() {
    let text = "[client]\nkeepalive = true\n[[fault]]\nname = \"out\"\nat = \"1s\"\non = \"server\"\nlink = \"down\"\n\
                [sweep]\n\"client.keepalive.idle\" = [\"2s\", \"10s\"]\nfault.out.at = [\"start\", \"7s\"]\n\
                sysctl.net.ipv4.tcp_retries2 = [3, 15]\n";
    for cell in cells(text, &[]) {
        let value = |index: usize| cell.parameters[index].value.as_str();
        let experiment = &cell.experiment;
        let idle = experiment.programs.client.options.keepalive.as_ref().unwrap().idle.unwrap();
        assert_eq!(format!("{}s", idle.as_secs()), value(0));
        assert_eq!(experiment.faults[0].trigger.to_string(), value(1));
        assert_eq!(experiment.sysctls.client["net.ipv4.tcp_retries2"], value(2));
        assert_eq!(cell.parameters[2].key, "sysctl.net.ipv4.tcp_retries2");
    }
}

#[test]
fn whole_tables_can_be_swept_and_are_written_inline() {
    let text = "[sweep]\n\"client.keepalive\" = [false, { idle = \"2s\", count = 3 }]\n\
                \"client.send\" = [{ once = 'a \"b\"' }, [{ fill = true }]]\n";
    let written: Vec<String> = summary(&cells(text, &[]));
    assert_eq!(written[0], "1/1: false { once = 'a \"b\"' }");
    assert_eq!(written[3], "4/1: { idle = \"2s\", count = 3 } [{ fill = true }]");
}

#[test]
fn a_swept_key_that_is_set_on_the_command_line_keeps_its_column_with_that_value() {
    let text = "[sweep]\n\"client.syn_count\" = [3, 4]\n\"client.keepalive.idle\" = [\"1s\", \"2s\"]\n";
    assert_eq!(summary(&cells(text, &["client.syn_count=9"])), ["1/1: 9 1s", "2/1: 9 2s"]);
}

#[test]
fn the_command_line_can_add_and_replace_sweeps() {
    let text = "[sweep]\n\"client.syn_count\" = [3, 4]\n";
    let sets = ["sweep.client.syn_count=[5]", "sweep.network.ip=[\"ipv4\", \"ipv6\"]", "sweep.repeat=2"];
    let swept = summary(&cells(text, &sets));
    assert_eq!(swept.len(), 4);
    assert!(swept.iter().all(|line| line.contains('5')), "{swept:?}");
    assert_eq!(cells("[client]\n", &["sweep.\"client.syn_count\"=[5, 6]"]).len(), 2);
}

#[test]
fn a_mistake_of_every_combination_is_told_once() {
    let ports: Vec<String> = (1..=500).map(|port| port.to_string()).collect();
    let text =
        format!("[client]\nidle_timeout = \"0s\"\n[sweep]\n\"server.port\" = [{}]\n", ports.join(", "));
    let error = Scenario::parse("test", &text, &options(&[])).unwrap_err();
    assert_eq!(error.to_string(), "test.toml:2:16: `idle_timeout` cannot be zero");
    assert_eq!(error.problems()[0].label, None);
}

#[test]
fn a_hundred_mistakes_are_cut_to_ten() {
    let ports: Vec<String> = (70_000..70_100).map(|port| port.to_string()).collect();
    let text = format!("[sweep]\n\"server.port\" = [{}]\n", ports.join(", "));
    let error = Scenario::parse("test", &text, &options(&[])).unwrap_err();
    assert_eq!(error.problems().len(), 10);
}

fn with_phases(text: &str, phases: u32) -> Result<Scenario, keepalive_lab_scenario::ScenarioError> {
    Scenario::parse("test", text, &Options { phases: Some(phases), ..Options::default() })
}

#[test]
fn phases_change_fastest_and_each_has_a_folder_of_its_own() {
    let text = "[sweep]\n\"client.syn_count\" = [3, 4]\nrepeat = 2\n";
    let cells = with_phases(text, 3).unwrap().cells;
    let folders: Vec<String> = cells.iter().map(Cell::folder).collect();
    let each = ["-p1", "-p2", "-p3", "-r2-p1", "-r2-p2", "-r2-p3"];
    let expected: Vec<String> =
        ["1", "2"].iter().flat_map(|id| each.map(|which| format!("{id}{which}"))).collect();
    assert_eq!(folders, expected);
    assert_eq!(cells[4].phase, Some(Phase { index: 1, of: 3 }));
    assert_eq!((cells[4].id.as_str(), cells[4].repeat), ("1", 2));
}

#[test]
fn one_phase_is_a_phase_and_none_leaves_no_trace() {
    let one = &with_phases("[client]\n", 1).unwrap().cells[0];
    assert_eq!((one.phase, one.folder().as_str()), (Some(Phase { index: 0, of: 1 }), "1"));
    let json = serde_json::to_value(one).unwrap();
    assert_eq!(json["phase"], serde_json::json!({ "index": 0, "of": 1 }));
    assert_eq!(&serde_json::from_value::<Cell>(json).unwrap(), one);

    let none = &cells("[client]\n", &[])[0];
    let json = serde_json::to_value(none).unwrap();
    assert_eq!((none.phase, json.get("phase")), (None, None));
    assert_eq!(&serde_json::from_value::<Cell>(json).unwrap(), none);
}

#[test]
fn no_phases_and_too_many_are_refused() {
    let error = with_phases("[client]\n", 0).unwrap_err();
    assert_eq!(error.to_string(), "--phases:1:1: each cell is run at one phase at least");
    let text = "[sweep]\n\"client.syn_count\" = [3, 4]\nrepeat = 1000\n";
    let error = with_phases(text, 1000).unwrap_err();
    assert_eq!(error.to_string(), "test.toml:1:1: 2000000 cells are more than 1000000");
    let label = error.problems()[0].label.as_deref();
    assert_eq!(label, Some("2 x 1000 x 1000: the lists' lengths, the repeats and the phases"));
}

#[test]
fn places_are_found_in_a_scenario_with_phases() {
    let scenario = with_phases("[sweep]\n\"client.syn_count\" = [3, 4]\n", 2).unwrap();
    let key = "client.syn_count".parse().unwrap();
    let place = scenario.locate_in(&scenario.cells[3], &key).unwrap();
    assert_eq!((place.line(), &place.text[place.range]), (2, "4"));
}
