//! The page that says of each requirement which test shows it, or that none does yet.
//!
//! A row is `| id | meaning | status |`. The status names tests, each as `` `path/file.rs::name` ``, or
//! begins with `not yet` and says what will bring it, or with `no behaviour` where a test could show nothing
//! (an error in the seed's text, say).

use std::collections::BTreeMap;

use crate::Complaint;
use crate::tidy::File;

/// Where the page is.
pub(crate) const PAGE: &str = "docs/conformance.md";

/// The ids: prefix, first, last.
const IDS: [(&str, u32, u32); 9] = [
    ("EC-", 1, 66),
    ("PDB-", 1, 40),
    ("V2-", 1, 9),
    ("PL-", 1, 36),
    ("RA-", 1, 19),
    ("RA-X", 1, 4),
    ("PF-", 1, 29),
    ("H", 1, 27),
    ("Q", 1, 22),
];

/// The complaints about the page.
pub(crate) fn check(page: &str, files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (line, id, status) in rows(page) {
        if seen.insert(id, line).is_some() {
            complaints.push(Complaint::new(PAGE, line, format!("{id} has a second row"), "join the two"));
        }
        complaints.extend(faults(id, status, files).into_iter().map(|what| {
            Complaint::new(
                PAGE,
                line,
                what,
                "name a test as `path/file.rs::name`, or say `not yet` and what brings it",
            )
        }));
    }
    let ids =
        IDS.iter().flat_map(|(prefix, first, last)| (*first..=*last).map(move |n| format!("{prefix}{n}")));
    for id in ids.filter(|id| !seen.contains_key(id.as_str())) {
        complaints.push(Complaint::new(PAGE, 1, format!("{id} has no row"), "write one"));
    }
    complaints
}

/// The rows whose first cell is an id: line, id, status.
fn rows(page: &str) -> Vec<(usize, &str, &str)> {
    let mut rows = Vec::new();
    for (number, line) in page.lines().enumerate() {
        let mut cells = line.split('|').map(str::trim);
        if cells.next() != Some("") {
            continue;
        }
        let (Some(id), Some(_), Some(status)) = (cells.next(), cells.next(), cells.next()) else { continue };
        if id.chars().next_back().is_some_and(|letter| letter.is_ascii_digit()) {
            rows.push((number + 1, id, status));
        }
    }
    rows
}

fn faults(id: &str, status: &str, files: &[File]) -> Vec<String> {
    let known = IDS.iter().any(|(prefix, first, last)| {
        id.strip_prefix(prefix)
            .and_then(|number| number.parse().ok())
            .is_some_and(|n| (*first..=*last).contains(&n))
    });
    if !known {
        return vec![format!("{id} is no requirement")];
    }
    let tests: Vec<&str> =
        status.split('`').skip(1).step_by(2).filter(|name| name.contains(".rs::")).collect();
    if tests.is_empty() && !["not yet", "no behaviour"].iter().any(|words| status.starts_with(words)) {
        return vec![format!("{id} names no test")];
    }
    tests
        .into_iter()
        .filter(|test| !exists(test, files))
        .map(|test| format!("{id}: there is no test {test}"))
        .collect()
}

/// Whether the file has a test of that name.
fn exists(test: &str, files: &[File]) -> bool {
    let Some((path, name)) = test.split_once("::") else { return false };
    let Some(file) = files.iter().find(|file| file.path == path) else { return false };
    let mut marked = false;
    for line in file.text.lines().map(str::trim) {
        if line == "#[test]" {
            marked = true;
        } else if line.contains("fn ") {
            if marked && line.split("fn ").nth(1).is_some_and(|rest| rest.split('(').next() == Some(name)) {
                return true;
            }
            marked = false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(rows: &[(&str, &str)]) -> String {
        let mut page = String::from("# Page\n\n| id | meaning | status |\n|---|---|---|\n");
        let given: Vec<&str> = rows.iter().map(|(id, _)| *id).collect();
        rows.iter().for_each(|(id, status)| page += &format!("| {id} | words | {status} |\n"));
        for (prefix, first, last) in IDS {
            for id in (first..=last).map(|n| format!("{prefix}{n}")) {
                if !given.contains(&id.as_str()) {
                    page += &format!("| {id} | words | not yet: later |\n");
                }
            }
        }
        page
    }

    fn complaints(rows: &[(&str, &str)]) -> Vec<String> {
        let text = "#[test]\nfn shown() {}\nfn helper() {}\n\
                    proptest! {\n    #[test]\n    fn drawn(x in 0..1) {}\n}\n";
        let files = [File { path: "crates/x/tests/y.rs".into(), text: text.into() }];
        check(&page(rows), &files).into_iter().map(|complaint| complaint.what).collect()
    }

    #[test]
    fn a_row_names_tests_that_are_there_or_says_not_yet() {
        assert_eq!(complaints(&[]), Vec::<String>::new());
        let good = "`crates/x/tests/y.rs::shown`, `crates/x/tests/y.rs::drawn`";
        assert_eq!(complaints(&[("H5", good), ("PL-36", "no behaviour: slips")]), Vec::<String>::new());
        for status in
            ["`crates/x/tests/y.rs::helper`", "`crates/x/tests/z.rs::shown`", "`crates/x/tests/y.rs::gone`"]
        {
            assert!(complaints(&[("H5", status)])[0].contains("there is no test"), "{status}");
        }
        assert_eq!(complaints(&[("H5", "surely")]), ["H5 names no test"]);
    }

    #[test]
    fn each_id_has_one_row() {
        assert_eq!(complaints(&[("H5", "not yet"), ("H5", "not yet")]), ["H5 has a second row"]);
        assert_eq!(complaints(&[("H99", "not yet")]), ["H99 is no requirement"]);
        let mut page = page(&[]);
        page = page.replace("| RA-X2 |", "| |");
        assert_eq!(check(&page, &[]).len(), 1);
    }
}
