//! Rosters as CSV (RFC 4180), as spreadsheets write it: a byte-order mark, `;` or tabs, any line end, columns in any order. Every cell
//! that can't be taken is told with its row, its column and a stable code. What is written is guarded against being run as a
//! formula, and is read back as it was.

use crate::control::office::{self, MAX_EXTRA_TIME, MAX_LABEL, MAX_SEAT, MAX_TOOL, MAX_TOOLS};
use invigil_shared::exam::{Allowances, RosterEntry};
use invigil_shared::office::{EntryEdit, FaultCode, ImportRow, RowFault};
use std::collections::{HashMap, HashSet};

/// Twice what the largest exam holds: more is another file.
const MAX_ROWS: usize = 1_000;
/// Faults that are listed: whoever has more mends a column, not cells.
const MAX_FAULTS: usize = 200;
/// Characters of a cell that are shown again.
const MAX_SHOWN: usize = 200;

pub const COLUMNS: [&str; 5] = [
    "label",
    "seat",
    "extra_time_percent",
    "second_display",
    "assistive_tools",
];
const LABEL: usize = 0;
const SEAT: usize = 1;
const EXTRA_TIME: usize = 2;
const SECOND_DISPLAY: usize = 3;
const TOOLS: usize = 4;

/// What is wrong, bounded.
#[derive(Default)]
pub struct Faults {
    pub listed: Vec<RowFault>,
    pub more: bool,
}

impl Faults {
    fn add(&mut self, row: u32, column: Option<&str>, code: FaultCode, limit: Option<u32>) {
        if self.listed.len() >= MAX_FAULTS {
            self.more = true;
            return;
        }
        let column = column.map(str::to_owned);
        self.listed.push(RowFault {
            row,
            column,
            code,
            limit,
        });
    }
}

/// A file that was read.
#[derive(Default)]
pub struct Parsed {
    pub rows: Vec<ImportRow>,
    /// The rows without a fault of their own.
    pub entries: Vec<(u32, EntryEdit)>,
    pub faults: Faults,
}

impl Parsed {
    /// Holds the rows against a roster that is there and the places that are left.
    pub fn hold_against(&mut self, taken: &HashSet<&str>, places: u32) {
        for (row, entry) in &self.entries {
            if taken.contains(entry.label.as_str()) {
                self.faults.add(*row, Some(COLUMNS[LABEL]), FaultCode::Taken, None);
            }
        }
        let over = usize::try_from(places).unwrap_or(usize::MAX);
        if let Some(row) = self.rows.get(over) {
            self.faults.add(row.row, None, FaultCode::RosterFull, Some(places));
        }
        self.faults.listed.sort_by_key(|fault| fault.row);
    }
}

/// Reads a file; what is wrong with it stands in the faults.
pub fn parse(bytes: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    let Ok(text) = std::str::from_utf8(bytes) else {
        parsed.faults.add(0, None, FaultCode::Encoding, None);
        return parsed;
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The line's end before any other: an old one (CR alone) would make one line of all, and the last line may have none.
    let mut text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.push('\n');
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(first))
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    let mut columns: Option<Vec<Option<usize>>> = None;
    let mut labels: HashMap<String, u32> = HashMap::new();
    let mut inner_lines = 0;
    // The reader passes over empty lines, which spreadsheets count; lines within quotes they don't.
    while let Ok(true) = reader.read_record(&mut record) {
        inner_lines += record.iter().map(|cell| cell.matches('\n').count()).sum::<usize>();
        let line = usize::try_from(reader.position().line()).unwrap_or(usize::MAX);
        let row = u32::try_from(line.saturating_sub(1 + inner_lines)).unwrap_or(u32::MAX);
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let Some(columns) = &columns else {
            columns = Some(header(row, &record, &mut parsed.faults));
            continue;
        };
        if parsed.rows.len() >= MAX_ROWS {
            let most = u32::try_from(MAX_ROWS).ok();
            parsed.faults.add(row, None, FaultCode::TooManyRows, most);
            break;
        }
        if record.len() != columns.len() {
            parsed
                .faults
                .add(row, None, FaultCode::Cells, u32::try_from(columns.len()).ok());
        }
        let mut cells: [&str; 5] = [""; 5];
        for (cell, column) in record.iter().zip(columns) {
            if let Some(column) = column {
                cells[*column] = unguarded(cell.trim());
            }
        }
        parsed.rows.push(shown(row, cells));
        if let Some(entry) = entry(row, cells, &mut parsed.faults) {
            match labels.get(&entry.label) {
                Some(first) => parsed
                    .faults
                    .add(row, Some(COLUMNS[LABEL]), FaultCode::Duplicate, Some(*first)),
                None => {
                    labels.insert(entry.label.clone(), row);
                    parsed.entries.push((row, entry));
                }
            }
        }
    }
    if parsed.rows.is_empty() && parsed.faults.listed.is_empty() {
        parsed.faults.add(0, None, FaultCode::Empty, None);
    }
    parsed
}

/// What separates the cells of the header.
fn delimiter(header: &str) -> u8 {
    let count = |c: u8| header.bytes().filter(|b| *b == c).count();
    // The last of the largest wins, so the comma stands last.
    [b'\t', b';', b',']
        .into_iter()
        .max_by_key(|c| count(*c))
        .unwrap_or(b',')
}

/// Which of our columns each cell of the header is.
fn header(row: u32, record: &csv::StringRecord, faults: &mut Faults) -> Vec<Option<usize>> {
    let mut seen = [false; COLUMNS.len()];
    let mut find = |cell: &str| {
        let name = cell.trim().to_lowercase();
        let found = COLUMNS.iter().position(|column| *column == name);
        match found {
            // A column that is not understood may be somebody's extra time: it is told, not passed over.
            None => faults.add(row, Some(&clipped(cell.trim())), FaultCode::UnknownColumn, None),
            Some(column) if seen[column] => faults.add(row, Some(COLUMNS[column]), FaultCode::Duplicate, Some(row)),
            Some(column) => seen[column] = true,
        }
        found
    };
    let columns = record.iter().map(&mut find).collect();
    if !seen[LABEL] {
        faults.add(row, Some(COLUMNS[LABEL]), FaultCode::Missing, None);
    }
    columns
}

fn clipped(cell: &str) -> String {
    cell.chars().take(MAX_SHOWN).collect()
}

fn shown(row: u32, cells: [&str; 5]) -> ImportRow {
    let [label, seat, extra_time_percent, second_display, assistive_tools] = cells.map(clipped);
    ImportRow {
        row,
        label,
        seat,
        extra_time_percent,
        second_display,
        assistive_tools,
    }
}

/// An entry from its cells; none when one of them can't be taken.
fn entry(row: u32, cells: [&str; 5], faults: &mut Faults) -> Option<EntryEdit> {
    let mut good = true;
    let mut wrong = |column: usize, code, limit: Option<usize>| {
        good = false;
        faults.add(
            row,
            Some(COLUMNS[column]),
            code,
            limit.and_then(|n| u32::try_from(n).ok()),
        );
    };
    let mut text = |column: usize, most: usize| {
        let cell = cells[column];
        if cell.chars().count() > most {
            wrong(column, FaultCode::TooLong, Some(most));
        } else if cell.chars().any(char::is_control) {
            wrong(column, FaultCode::Invalid, None);
        } else if cell.is_empty() && column == LABEL {
            wrong(column, FaultCode::Missing, None);
        }
    };
    text(LABEL, MAX_LABEL);
    text(SEAT, MAX_SEAT);
    let percent = cells[EXTRA_TIME].trim_end_matches('%').trim_end();
    let extra_time_percent = match percent {
        "" => 0,
        digits => match digits.parse::<u16>() {
            Ok(percent) if percent <= MAX_EXTRA_TIME => percent,
            _ => {
                wrong(EXTRA_TIME, FaultCode::Invalid, Some(usize::from(MAX_EXTRA_TIME)));
                0
            }
        },
    };
    let second_display = match cells[SECOND_DISPLAY].to_lowercase().as_str() {
        "yes" | "y" | "true" | "1" | "x" => true,
        "" | "no" | "n" | "false" | "0" => false,
        _ => {
            wrong(SECOND_DISPLAY, FaultCode::Invalid, None);
            false
        }
    };
    let tools = cells[TOOLS].split(['|', ';', ',']).map(str::trim);
    let assistive_tools: Vec<String> = tools.filter(|tool| !tool.is_empty()).map(str::to_owned).collect();
    if assistive_tools.len() > MAX_TOOLS {
        wrong(TOOLS, FaultCode::TooLong, Some(MAX_TOOLS));
    } else if assistive_tools.iter().any(|tool| tool.chars().count() > MAX_TOOL) {
        wrong(TOOLS, FaultCode::TooLong, Some(MAX_TOOL));
    } else if cells[TOOLS].chars().any(char::is_control) {
        wrong(TOOLS, FaultCode::Invalid, None);
    }
    let entry = EntryEdit {
        label: cells[LABEL].to_owned(),
        seat: Some(cells[SEAT].to_owned()),
        allowances: Allowances {
            extra_time_percent,
            second_display,
            assistive_tools,
        },
    };
    // The office's own rule has the last word: no file brings in what could not be typed.
    if good { office::checked_entry(entry).ok() } else { None }
}

/// What a spreadsheet would take for a formula (OWASP, CSV injection), and the guard itself, so that it can be taken off again.
fn is_risky(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\'')
}

fn guarded(cell: &str) -> String {
    let guard = if cell.starts_with(is_risky) { "'" } else { "" };
    format!("{guard}{cell}")
}

fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'')
        .filter(|rest| rest.starts_with(is_risky))
        .unwrap_or(cell)
}

/// The file of a roster, with a byte-order mark: without it spreadsheets take it for another encoding.
///
/// # Errors
/// None that can happen: it is written to memory.
pub fn write<'a>(entries: impl Iterator<Item = &'a RosterEntry>) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer("\u{feff}".as_bytes().to_vec());
    writer.write_record(COLUMNS)?;
    for entry in entries {
        let Allowances {
            extra_time_percent,
            second_display,
            assistive_tools,
        } = &entry.allowances;
        let tools = assistive_tools.join(" | ");
        let display = if *second_display { "yes" } else { "no" };
        let seat = entry.seat.as_deref().unwrap_or_default();
        let time = extra_time_percent.to_string();
        writer.write_record([&entry.label, seat, &time, display, &tools].map(guarded))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

#[cfg(test)]
mod tests;
