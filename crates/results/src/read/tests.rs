use proptest::prelude::*;

use super::*;
use crate::row::tests::a_row;
use crate::row::{Clock, Row};

/// The text of a CSV with these rows and swept keys, as the program writes it.
fn csv_of(rows: &[Row], swept: &[&str]) -> String {
    let swept: Vec<String> = swept.iter().map(|key| (*key).to_owned()).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS.iter().copied().chain(swept.iter().map(String::as_str))).unwrap();
    for row in rows {
        writer.write_record(row.fields(&swept)).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

fn good() -> String {
    let second = Row { repeat: 2, ..a_row() };
    csv_of(&[a_row(), second], &["client.keepalive.idle"])
}

fn read_text(text: impl AsRef<[u8]>) -> Result<ResultFile, String> {
    parse(Path::new("a.csv"), text.as_ref()).map_err(|(line, flaw)| match line {
        Some(line) => format!("{line}: {flaw}"),
        None => flaw.to_string(),
    })
}

fn refused(text: impl AsRef<[u8]>) -> String {
    read_text(text).expect_err("a file that cannot be used")
}

#[test]
fn what_is_written_is_read() {
    let file = read_text(good()).unwrap();
    assert_eq!((file.records.len(), file.ends_whole), (2, true));
    let (record, row) = (&file.records[1], a_row());
    assert_eq!((record.line, record.repeat), (3, 2));
    assert_eq!(record.parameters, row.parameters);
    assert_eq!((record.hz, record.clock, record.outcome), (row.hz, Clock::Real, row.outcome));
    assert_eq!(record.time_to_error_s, row.time_to_error_s);
    assert_eq!(record.kernel_time_to_error_s, row.kernel_time_to_error_s);
    assert_eq!(record.settings.keepidle_s, row.keepidle_s);
    assert_eq!((record.keepalive_probes, record.retransmits), (row.keepalive_probes, row.retransmits));
    assert!(file.unknown_columns.is_empty());
}

#[test]
fn a_file_that_a_spreadsheet_has_saved_again_reads_the_same() {
    let plain = read_text(good()).unwrap();
    for text in [
        format!("\u{feff}{}", good()),
        good().replace('\n', "\r\n"),
        good().replace(',', " , "),
        good() + "\n\n",
        format!("\"{}\"\n", good().trim_end().replace(',', "\",\"").replace('\n', "\"\n\"")),
    ] {
        assert_eq!(read_text(text).unwrap().records, plain.records);
    }
}

#[test]
fn columns_are_found_by_name_and_newer_ones_are_left_out() {
    let lines: Vec<Vec<String>> =
        good().lines().map(|line| line.split(',').rev().map(str::to_owned).collect()).collect();
    let reversed: String = lines.iter().map(|fields| fields.join(",") + "\n").collect();
    assert_eq!(read_text(reversed).unwrap().records, read_text(good()).unwrap().records);

    let newer = good().replace('\n', ",mood\n");
    let file = read_text(newer).unwrap();
    assert_eq!(file.unknown_columns, ["mood"]);
    assert_eq!(file.records, read_text(good()).unwrap().records);
}

#[test]
fn files_without_phases_are_read_and_phases_tell_rows_apart() {
    let older = good().replace(",phase_s,", ",").replace(",0,,60s", ",0,60s");
    assert!(!older.contains("phase_s"));
    assert_eq!(read_text(older).unwrap().records, read_text(good()).unwrap().records);
    let at = |phase_s| Row { phase_s: Some(phase_s), ..a_row() };
    let file = read_text(csv_of(&[at(0.0), at(1.024)], &["client.keepalive.idle"])).unwrap();
    assert_eq!(file.records[1].phase_s, Some(1.024));
}

#[test]
fn a_parameter_of_another_scenario_in_the_file_is_none() {
    let text = csv_of(&[a_row()], &["client.keepalive.idle", "client.user_timeout", "client"]);
    assert_eq!(read_text(text).unwrap().records[0].parameters, a_row().parameters);
}

#[test]
fn files_that_are_no_result_say_so() {
    let text = [
        refused(""),
        refused("\n\r\n"),
        refused(good().lines().next().unwrap()),
        refused("name,age\nx,3\n"),
        refused("{\"scenario\": 1}"),
        refused("\u{0}\u{1}\u{2}"),
        refused(good().replace(',', ";")),
        refused(good().replace(',', "\t")),
        refused([b"scenario\n".as_slice(), &[0xff, 0xfe, b'x']].concat()),
        refused([&[0xff, 0xfe], b"s\0c\0".as_slice()].concat()),
        refused(good().replacen(",hz,", ",frequency,", 1)),
        refused(good().replacen(",cell,", ",scenario,", 1)),
    ];
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn rows_that_are_cut_doubled_or_wrong_show_their_line() {
    let good = good();
    let text = [
        refused(&good[..good.len() - 12]),
        refused(&good[..good.len() - 60]),
        refused(good.replacen("test1,1,2,client", "test1,1,client", 1)),
        refused(format!("{good},,,\n")),
        refused(good.clone() + good.split_once('\n').unwrap().1),
        refused(good.replacen("error,ETIMEDOUT", "error,", 1)),
        refused(good.replacen("error,ETIMEDOUT", "alive,ETIMEDOUT", 1)),
        refused(good.replacen("742.931236", "742.93 s", 1)),
        refused(good.replacen("742.931236", "inf", 1)),
        refused(good.replacen(",real,", ",imagined,", 1)),
        refused(good.replacen(",250,", ",0,", 1)),
        refused(good.replacen(",250,", ",250 Hz,", 1)),
        refused(good.replacen("test1,1,1,", "test1,1,0,", 1)),
        refused(good.replacen("test1,1,1,client", ",1,1,client", 1)),
        refused(good.replacen("test1,1,1,client", "test1,1,1,router", 1)),
    ];
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn a_last_line_without_its_end_may_be_cut_within_its_last_value() {
    let file = read_text(good().trim_end()).unwrap();
    assert!(!file.ends_whole);
}

#[test]
fn a_missing_file_is_told_with_what_the_system_says() {
    let error = read(Path::new("/nonexistent/a.csv")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/nonexistent/a.csv: could not read it: No such file or directory (os error 2)"
    );
}

proptest! {
    #[test]
    fn whatever_the_bytes_they_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_text(bytes);
    }

    #[test]
    fn a_file_cut_anywhere_is_refused_or_loses_whole_rows_only(end in 0..1000_usize) {
        let text = good();
        let cut = &text[..end.min(text.len())];
        if let Ok(file) = read_text(cut) {
            let whole = read_text(&text).unwrap();
            let (last, before) = file.records.split_last().unwrap();
            prop_assert!(whole.records.starts_with(before));
            prop_assert!(!file.ends_whole || whole.records.contains(last), "{}", cut);
        }
    }
}
