use super::*;
use invigil_shared::id::{ExamId, RosterEntryId};
use proptest::prelude::*;

fn faults(parsed: &Parsed) -> Vec<(u32, &str, FaultCode)> {
    let of = |fault: &RowFault| (fault.row, fault.code);
    let column = |fault: &'_ RowFault| fault.column.clone().unwrap_or_default().leak() as &str;
    parsed
        .faults
        .listed
        .iter()
        .map(|f| (of(f).0, column(f), of(f).1))
        .collect()
}

fn labels(text: &str) -> Vec<String> {
    let parsed = parse(text.as_bytes());
    assert_eq!(faults(&parsed), [], "{text:?}");
    parsed.entries.into_iter().map(|(_, entry)| entry.label).collect()
}

#[test]
fn a_file_is_read_as_spreadsheets_write_it() {
    for text in [
        "label,seat\nAda,A1\nGrace,B2\n",
        "\u{feff}label;seat\r\nAda;A1\r\nGrace;B2",
        "Seat\tLABEL \rA1\tAda\rB2\t Grace ",
        "\n\nlabel,seat\n,\nAda,A1\n\nGrace,B2\n\n",
        "label\n\"Ada\"\n\"Grace\"\n",
    ] {
        assert_eq!(labels(text), ["Ada", "Grace"], "{text:?}");
    }
    let all = "label,seat,extra_time_percent,second_display,assistive_tools\n\"Ada, Countess\",A1,25 %,Yes,\"reader, lens\"\n";
    let parsed = parse(all.as_bytes());
    assert_eq!(faults(&parsed), []);
    let (row, entry) = &parsed.entries[0];
    assert_eq!(
        (*row, entry.label.as_str(), entry.seat.as_deref()),
        (2, "Ada, Countess", Some("A1"))
    );
    let allowances = Allowances {
        extra_time_percent: 25,
        second_display: true,
        assistive_tools: vec!["reader".into(), "lens".into()],
    };
    assert_eq!(entry.allowances, allowances);
}

#[test]
fn each_cell_that_can_not_be_taken_is_told_with_its_place() {
    let long = "x".repeat(201);
    let text = format!(
        "label,seat,extra_time_percent,second_display\nAda,,25,no\n\n,B,0,no\nAda,C,0,no\nEve,D,many,maybe\nTom,E,301,no\n{long},F,0,no\n\"a\nb\",G,0,no\nEnd,H\n"
    );
    let parsed = parse(text.as_bytes());
    assert_eq!(
        faults(&parsed),
        [
            (4, "label", FaultCode::Missing),
            (5, "label", FaultCode::Duplicate),
            (6, "extra_time_percent", FaultCode::Invalid),
            (6, "second_display", FaultCode::Invalid),
            (7, "extra_time_percent", FaultCode::Invalid),
            (8, "label", FaultCode::TooLong),
            (9, "label", FaultCode::Invalid),
            (10, "", FaultCode::Cells),
        ]
    );
    assert_eq!(parsed.faults.listed[1].limit, Some(2), "the row that had it first");
    assert_eq!(parsed.rows.len(), 8);
    assert_eq!(parsed.rows[3].extra_time_percent, "many");
}

#[test]
fn a_file_without_what_it_needs_is_told_so() {
    for (bytes, expected) in [
        (b"".as_slice(), (0, "", FaultCode::Empty)),
        (b"label,seat\n", (0, "", FaultCode::Empty)),
        (b"\xff\xfel\0a\0", (0, "", FaultCode::Encoding)),
        (b"seat\nA1\n", (1, "label", FaultCode::Missing)),
        (
            b"label,extra_time\nAda,25\n",
            (1, "extra_time", FaultCode::UnknownColumn),
        ),
        (b"label,Label\nAda,Ada\n", (1, "label", FaultCode::Duplicate)),
    ] {
        assert!(
            faults(&parse(bytes)).contains(&expected),
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
    let many: String = (0..=MAX_ROWS).map(|n| format!("Candidate {n}\n")).collect();
    let parsed = parse(format!("label\n{many}").as_bytes());
    assert_eq!(parsed.rows.len(), MAX_ROWS);
    assert_eq!(faults(&parsed), [(1_002, "", FaultCode::TooManyRows)]);
    let wrong = format!("label,extra_time_percent\n{}", "Ada,x\n".repeat(500));
    let parsed = parse(wrong.as_bytes());
    assert_eq!((parsed.faults.listed.len(), parsed.faults.more), (MAX_FAULTS, true));
}

#[test]
fn rows_are_held_against_the_roster_and_its_places() {
    let mut parsed = parse(b"label\nAda\nGrace\nEve\n");
    parsed.hold_against(&HashSet::from(["Grace"]), 2);
    assert_eq!(
        faults(&parsed),
        [(3, "label", FaultCode::Taken), (4, "", FaultCode::RosterFull)]
    );
    let mut parsed = parse(b"label\nAda\nGrace\n");
    parsed.hold_against(&HashSet::new(), 2);
    assert_eq!(faults(&parsed), []);
}

#[test]
fn nothing_that_is_written_starts_like_a_formula() {
    let entries = ["=1+1", "+1", "-1", "@x", "'x", "'=x", "plain"].map(|label| RosterEntry {
        id: RosterEntryId::from_parts(1, [1; 10]),
        exam: ExamId::from_parts(1, [1; 10]),
        label: label.into(),
        seat: Some("=HYPERLINK(\"http://x\")".into()),
        allowances: Allowances {
            assistive_tools: vec!["@reader".into()],
            ..Allowances::default()
        },
    });
    let written = write(entries.iter()).unwrap();
    let text = String::from_utf8(written.clone()).unwrap();
    let mut reader = csv::ReaderBuilder::new().from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    for record in reader.records() {
        for cell in record.unwrap().iter() {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
        }
    }
    let parsed = parse(&written);
    assert_eq!(faults(&parsed), []);
    for (entry, (_, back)) in entries.iter().zip(&parsed.entries) {
        assert_eq!(
            (&entry.label, &entry.seat, &entry.allowances),
            (&back.label, &back.seat, &back.allowances)
        );
    }
    assert_eq!(parsed.entries.len(), entries.len());
}

proptest! {
    /// Whatever somebody uploads is read within its bounds, and what comes through is what could be typed.
    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let parsed = parse(&bytes);
        prop_assert!(parsed.faults.listed.len() <= MAX_FAULTS && parsed.entries.len() <= parsed.rows.len());
    }

    #[test]
    fn any_roster_comes_back_as_it_went(
        labels in proptest::collection::hash_set("[ -~äß漢]{1,40}", 1..20), seat in "[ -~]{0,50}", time in 0_u16..=300
    ) {
        let typed = labels.iter().filter_map(|label| {
            let entry = EntryEdit {
                label: label.clone(),
                seat: Some(seat.clone()),
                allowances: Allowances { extra_time_percent: time, ..Allowances::default() },
            };
            office::checked_entry(entry).ok()
        });
        let mut seen = HashSet::new();
        let entries: Vec<RosterEntry> = typed.filter(|entry| seen.insert(entry.label.clone())).map(|entry| RosterEntry {
            id: RosterEntryId::from_parts(1, [1; 10]),
            exam: ExamId::from_parts(1, [1; 10]),
            label: entry.label,
            seat: entry.seat,
            allowances: entry.allowances,
        }).collect();
        let parsed = parse(&write(entries.iter()).unwrap());
        let back: Vec<_> = parsed.entries.into_iter().map(|(_, e)| (e.label, e.seat, e.allowances)).collect();
        let went: Vec<_> = entries.into_iter().map(|e| (e.label, e.seat, e.allowances)).collect();
        prop_assert_eq!(back, went);
    }
}
