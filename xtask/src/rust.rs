//! Rust, read just well enough to count braces: comments and literals are blanked, lines stay where they are.

/// The text with the insides of comments, strings and characters replaced by blanks. Line breaks stay.
pub(crate) fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = literal(rest, out.chars().next_back());
        let taken = if length == 0 { letter.len_utf8() } else { length };
        let (front, back) = rest.split_at(taken);
        if length == 0 {
            out.push(letter);
        } else {
            out.extend(front.chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
        }
        rest = back;
    }
    out
}

/// The length of the comment or literal that the text begins with; 0 if it begins with none.
fn literal(text: &str, before: Option<char>) -> usize {
    let word = before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    if text.starts_with('"') {
        return string(text);
    }
    if !word && (text.starts_with("r\"") || text.starts_with("r#") || text.starts_with("br")) {
        return raw_string(text);
    }
    if text.starts_with('\'') {
        return character(text);
    }
    0
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        let step = match () {
            () if rest.starts_with("/*") => {
                depth += 1;
                2
            }
            () if rest.starts_with("*/") => {
                depth -= 1;
                2
            }
            () => rest.chars().next().map_or(1, char::len_utf8),
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_string(text: &str) -> usize {
    let start = text.find('r').map_or(0, |at| at + 1);
    let hashes = text[start..].chars().take_while(|letter| *letter == '#').count();
    let open = start + hashes;
    if !text[open..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    text[open + 1..].find(&end).map_or(text.len(), |at| open + 1 + at + end.len())
}

/// A character, and not a lifetime.
fn character(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    let Some((_, first)) = letters.next() else { return 0 };
    if first == '\\' {
        return text[2..]
            .char_indices()
            .skip(1)
            .find(|(_, letter)| *letter == '\'')
            .map_or(0, |(at, _)| at + 3);
    }
    match letters.next() {
        Some((at, '\'')) => at + 1,
        _ => 0,
    }
}

/// The functions with bodies in blanked text: name, first line (from 1), lines.
pub(crate) fn functions(blanked: &str) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = blanked[from..].find("fn ").map(|at| at + from) {
        from = at + 3;
        let alone = !blanked[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
        let name: String =
            blanked[from..].chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        if !alone || name.is_empty() {
            continue;
        }
        if let Some(end) = body_end(&blanked[at..]) {
            let first = 1 + blanked[..at].matches('\n').count();
            found.push((name, first, 1 + blanked[at..at + end].matches('\n').count()));
        }
    }
    found
}

/// Where the body of the function that the text begins with ends; nothing if it has none.
fn body_end(text: &str) -> Option<usize> {
    let (mut braces, mut other) = (0, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' | '[' => other += 1,
            ')' | ']' => other -= 1,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 {
                    return Some(at);
                }
            }
            ';' if braces == 0 && other == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        let text = "a // }\n\"x\\\"{\" r#\"}\"# '{' '\\'' 'a /* { /* } */\n */ b\n";
        assert_eq!(blanked(text).split_whitespace().collect::<Vec<_>>(), ["a", "'a", "b"]);
        assert_eq!(blanked(text).matches('\n').count(), 3);
        assert_eq!(blanked("for_r\"x\" br\"}\" b'}'").split_whitespace().collect::<Vec<_>>(), ["for_r", "b"]);
    }

    #[test]
    fn functions_are_measured_from_their_name_to_their_last_brace() {
        let text = "trait T {\n    fn none(&self) -> [u8; 3];\n}\n\
                    pub fn one(x: &'static str) -> u8 {\n    if x {\n    }\n    1\n}\nfn two() {}\n";
        let found = functions(&blanked(text));
        assert_eq!(found, [("one".to_owned(), 4, 5), ("two".to_owned(), 9, 1)]);
    }
}
