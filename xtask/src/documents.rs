//! Links in Markdown files lead to files that are there.

use crate::Complaint;
use crate::tidy::File;

/// The complaints about links; `exists` is asked with paths from the root.
pub(crate) fn check(files: &[File], exists: &dyn Fn(&str) -> bool) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (line, target) in links(&file.text) {
            if !resolve(&file.path, &target).is_some_and(|path| exists(&path)) {
                let what = format!("the link to {target} leads nowhere");
                complaints.push(Complaint::new(
                    &file.path,
                    line,
                    what,
                    "name a file that is there, from this one",
                ));
            }
        }
    }
    complaints
}

/// Links to files, with their lines. Code is not read.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut code = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        for link in prose.split("](").skip(1) {
            let target = link.split([')', '#', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                found.push((number + 1, target.to_owned()));
            }
        }
    }
    found
}

/// The path from the root; nothing if it leaves the workspace.
fn resolve(file: &str, target: &str) -> Option<String> {
    let mut path: Vec<&str> = file.split('/').collect();
    path.pop();
    for step in target.split('/').filter(|step| !step.is_empty() && *step != ".") {
        if step == ".." {
            path.pop()?;
        } else {
            path.push(step);
        }
    }
    Some(path.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_links_are_named() {
        let text = "[a](b.md) [c](../d.md#e) [f](https://g) `[h](i.md)` [j](#k)\n```\n[l](m.md)\n```\n\
                    [`n`](gone.md) [o](../../p)\n";
        let files = [File { path: "docs/x.md".into(), text: text.into() }];
        let there = ["docs/b.md", "d.md"];
        let found = check(&files, &|path| there.contains(&path));
        let found: Vec<_> = found.iter().map(|complaint| (complaint.line, complaint.what.as_str())).collect();
        assert_eq!(
            found,
            [(5, "the link to gone.md leads nowhere"), (5, "the link to ../../p leads nowhere")]
        );
    }
}
