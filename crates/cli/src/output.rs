//! Printing of rows: for people, as JSON lines, and as CSV.
//!
//! - **table**: text of a text column stands as it is, other values as literals of the query language; control
//!   characters are escaped, for text comes from other people, and a terminal obeys some of it.
//! - **json**: one object per row, its values as [`motet_stream::json`] writes them.
//! - **csv**: RFC 4180 as files of facts are (Q4), so that what one command prints another reads.
//!
//! Everything goes to a `&mut dyn Write`. Who stops reading is no error: see [`Failure::ReaderGone`].

use std::io::Write;

use comfy_table::{ContentArrangement, Table};
use motet_algebra::{Column, ColumnType};
use motet_fact::{Kind, Value};
use motet_logic::format_typed;
use motet_stream::csv;
use motet_stream::json::object;
use serde_json::{Value as Json, json};

use crate::args::Format;
use crate::failure::Failure;

/// The columns of some rows, as compiled programs give them.
pub(crate) type Columns = [(Column, ColumnType)];

/// Prints rows, each with a value for each column.
pub(crate) fn print<R: AsRef<[Value]>>(
    out: &mut dyn Write,
    format: Format,
    columns: &Columns,
    rows: impl IntoIterator<Item = R>,
) -> Result<(), Failure> {
    match format {
        Format::Table => print_table(out, columns, rows),
        Format::Json => {
            rows.into_iter().try_for_each(|row| print_object(out, &object(columns, row.as_ref()).into()))
        }
        Format::Csv => Ok(csv::write(out, columns, rows)?),
    }
}

/// Prints rows of plain text.
pub(crate) fn print_text<R: IntoIterator<Item = String>>(
    out: &mut dyn Write,
    format: Format,
    columns: &[&str],
    rows: impl IntoIterator<Item = R>,
) -> Result<(), Failure> {
    let columns: Vec<_> =
        columns.iter().map(|name| (Column::from(*name), ColumnType::Kind(Kind::Text))).collect();
    let row = |row: R| row.into_iter().map(Value::from).collect::<Vec<_>>();
    print(out, format, &columns, rows.into_iter().map(row))
}

/// Prints one thing's properties: below each other for people, else as the one row they are.
pub(crate) fn print_fields(
    out: &mut dyn Write,
    format: Format,
    fields: &[(&str, Value)],
) -> Result<(), Failure> {
    if format == Format::Table {
        let mut table = plain_table();
        for (name, value) in fields {
            table.add_row([visible(name).replace('_', " "), cell(value, ColumnType::Kind(value.kind()))]);
        }
        return print_lines(out, &table);
    }
    let columns: Vec<_> =
        fields.iter().map(|(name, value)| (Column::from(*name), ColumnType::Kind(value.kind()))).collect();
    let row: Vec<Value> = fields.iter().map(|(_, value)| value.clone()).collect();
    print(out, format, &columns, [row])
}

/// Prints several relations: each below its name in a table; as JSON one object per row under the relation's name;
/// as CSV only if it is one.
pub(crate) fn print_relations<R: AsRef<[Value]>, I: IntoIterator<Item = R>>(
    out: &mut dyn Write,
    format: Format,
    relations: Vec<(&str, &Columns, I)>,
) -> Result<(), Failure> {
    let several = relations.len() > 1;
    if several && format == Format::Csv {
        let remedy = "`motet run --out DIR` writes a file for each; --format json prints all";
        return Err(Failure::Usage("CSV on standard output has room for one output only".into()).help(remedy));
    }
    for (place, (name, columns, rows)) in relations.into_iter().enumerate() {
        match format {
            Format::Json if several => {
                for row in rows {
                    print_object(out, &json!({ name: object(columns, row.as_ref()) }))?;
                }
            }
            Format::Table if several => {
                let gap = if place > 0 { "\n" } else { "" };
                writeln!(out, "{gap}{}", visible(name))?;
                print_table(out, columns, rows)?;
            }
            format => print(out, format, columns, rows)?,
        }
    }
    Ok(())
}

fn print_object(out: &mut dyn Write, object: &Json) -> Result<(), Failure> {
    Ok(writeln!(out, "{object}")?)
}

fn print_table<R: AsRef<[Value]>>(
    out: &mut dyn Write,
    columns: &Columns,
    rows: impl IntoIterator<Item = R>,
) -> Result<(), Failure> {
    if columns.is_empty() {
        let holds = rows.into_iter().next().is_some();
        return Ok(writeln!(out, "{}", if holds { "holds" } else { "does not hold" })?);
    }
    let mut table = plain_table();
    table.set_header(columns.iter().map(|(name, _)| visible(name)));
    for row in rows {
        table.add_row(row.as_ref().iter().zip(columns).map(|(value, (_, kind))| cell(value, *kind)));
    }
    print_lines(out, &table)
}

/// Columns two spaces apart, without frames and colours, as wide as they need to be.
fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn print_lines(out: &mut dyn Write, table: &Table) -> Result<(), Failure> {
    for line in table.lines() {
        let line = line.strip_prefix(' ').unwrap_or(&line);
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn cell(value: &Value, column_type: ColumnType) -> String {
    visible(&format_typed(value, column_type))
}

/// The most memory this process has had at one time, in bytes; nothing where the system does not say.
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// A text in which nothing moves the cursor.
fn visible(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    if text.contains(char::is_control) { text.chars().map(escape).collect() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn columns(types: &[(&str, ColumnType)]) -> Vec<(Column, ColumnType)> {
        types.iter().map(|(name, kind)| (Column::from(*name), *kind)).collect()
    }

    fn printed(format: Format, columns: &Columns, rows: &[Vec<Value>]) -> String {
        let mut out = Vec::new();
        print(&mut out, format, columns, rows.iter().map(Vec::as_slice)).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn sample() -> (Vec<(Column, ColumnType)>, Vec<Vec<Value>>) {
        let columns = columns(&[("name", ColumnType::Kind(Kind::Text)), ("what", ColumnType::Any)]);
        let rows = vec![
            vec!["a, \"b\"".into(), "x".into()],
            vec!["red \u{1b}[31m".into(), Value::float(1.0).unwrap()],
            vec!["".into(), Value::bytes(vec![0, 255, 3])],
        ];
        (columns, rows)
    }

    #[test]
    fn csv_quotes_and_tells_kinds_apart_where_a_column_takes_any() {
        let (columns, rows) = sample();
        let text = printed(Format::Csv, &columns, &rows);
        assert_eq!(text, "name,what\n\"a, \"\"b\"\"\",\"\"\"x\"\"\"\nred \u{1b}[31m,1.0\n,0x00ff03\n");
    }

    #[test]
    fn a_reader_that_has_gone_is_told_in_every_format() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (columns, rows) = sample();
        let rows = std::iter::repeat_n(rows, 10_000).flatten();
        for format in [Format::Table, Format::Json, Format::Csv] {
            assert_eq!(print(&mut Gone, format, &columns, rows.clone()), Err(Failure::ReaderGone));
        }
    }

    #[test]
    fn a_table_shows_control_characters_and_does_not_send_them() {
        let (columns, rows) = sample();
        let text = printed(Format::Table, &columns, &rows);
        assert!(text.contains(r"red \u{1b}[31m"), "{text}");
        assert!(!text.contains('\u{1b}'));
        assert!(text.starts_with("name"), "{text}");
    }

    #[test]
    fn json_has_one_object_per_row_and_floats_keep_their_fraction() {
        let (columns, rows) = sample();
        let text = printed(Format::Json, &columns, &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], r#"{"name":"a, \"b\"","what":"x"}"#);
        assert_eq!(lines[1], r#"{"name":"red \u001b[31m","what":1.0}"#);
        assert_eq!(lines[2], r#"{"name":"","what":{"/":{"bytes":"AP8D"}}}"#);
    }

    #[test]
    fn a_relation_without_columns_holds_or_not() {
        assert_eq!(printed(Format::Csv, &[], &[vec![]]), "\n()\n");
        assert_eq!(printed(Format::Csv, &[], &[]), "\n");
        assert_eq!(printed(Format::Table, &[], &[]), "does not hold\n");
        assert_eq!(printed(Format::Json, &[], &[vec![]]), "{}\n");
    }

    #[test]
    fn several_relations_stand_under_their_names() {
        let one = columns(&[("x", ColumnType::Kind(Kind::Int))]);
        let rows = || vec![vec![Value::Int(1)]];
        let print_as = |format| {
            let mut out = Vec::new();
            print_relations(&mut out, format, vec![("A", &*one, rows()), ("B", &*one, rows())])
                .map(|()| String::from_utf8(out).unwrap())
        };
        assert_eq!(print_as(Format::Json).unwrap(), "{\"A\":{\"x\":1}}\n{\"B\":{\"x\":1}}\n");
        assert_eq!(print_as(Format::Table).unwrap(), "A\nx\n1\n\nB\nx\n1\n");
        assert!(matches!(print_as(Format::Csv), Err(Failure::Usage(_))));
    }
}
