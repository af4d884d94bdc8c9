//! The name of a property: a path through nested maps.
//!
//! `address.city` is the property `city` of the map `address`. A map is not a thing of its own: it is there while a
//! property in it is. So two people who write to one map at once write to one map, whoever of them made it, and there
//! is no moment at which one of two maps must win. A dot or a backslash in a name is written with a backslash before
//! it: `v1\.2`.
//!
//! The text of a path is the attribute of the facts that state the property.

use std::fmt;
use std::str::FromStr;

use motet_fact::Attribute;

/// The names that lead to a property, outermost first; at least one, and none of them empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<String>);

/// Not the text of a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing before, after or between dots.
    #[error("`{0}` has an empty name in it; a dot that is part of a name is written `\\.`")]
    EmptyName(String),
    /// A backslash before something else.
    #[error("`{0}`: a backslash stands before a dot or a backslash only")]
    Escape(String),
    /// A name that is Motet's own.
    #[error(
        "`{0}` can't be a property: what begins with {prefix} is the database's own",
        prefix = crate::label::PREFIX
    )]
    Reserved(String),
}

impl Path {
    /// The names, outermost first.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The path that an attribute is; one that is no path's text (an int, bytes, `a..b`) is none.
    pub fn of(attribute: &Attribute) -> Option<Self> {
        attribute.as_text()?.parse().ok()
    }

    /// The attribute of the facts that state the property.
    pub fn attribute(&self) -> Attribute {
        self.to_string().into()
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.starts_with(crate::label::PREFIX) {
            return Err(PathError::Reserved(text.to_owned()));
        }
        let mut names = vec![String::new()];
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            let name = names.last_mut().expect("there is always a last name");
            match letter {
                '.' => names.push(String::new()),
                '\\' => match letters.next() {
                    Some(escaped @ ('.' | '\\')) => name.push(escaped),
                    _ => return Err(PathError::Escape(text.to_owned())),
                },
                other => name.push(other),
            }
        }
        if names.iter().any(String::is_empty) {
            return Err(PathError::EmptyName(text.to_owned()));
        }
        Ok(Path(names))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(".")?;
            }
            for letter in name.chars() {
                if matches!(letter, '.' | '\\') {
                    f.write_str("\\")?;
                }
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

/// The texts of the maps that a property lies in, outermost first: `a` and `a.b` for `a.b.c`.
pub(crate) fn above(path: &str) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    let is_end = move |letter: char| {
        let ends = letter == '.' && !escaped;
        escaped = letter == '\\' && !escaped;
        ends
    };
    path.match_indices(is_end).map(|(end, _)| &path[..end])
}

/// What the texts of the properties in a map begin with.
pub(crate) fn inside(path: &str) -> String {
    format!("{path}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_back_from_its_text() {
        for text in ["title", "address.city", r"v1\.2.notes", r"a\\.b", "ä.ö.ü"] {
            let path: Path = text.parse().unwrap();
            assert_eq!(path.to_string(), text);
            assert_eq!(Path::of(&path.attribute()), Some(path));
        }
        let names = |text: &str| text.parse::<Path>().map(|path| path.names().join("|"));
        assert_eq!(names(r"v1\.2.notes"), Ok("v1.2|notes".to_owned()));
        assert_eq!(names(r"a\\.b"), Ok(r"a\|b".to_owned()));
    }

    #[test]
    fn what_is_no_path_says_why() {
        for text in ["", ".", "a.", ".a", "a..b"] {
            assert_eq!(text.parse::<Path>(), Err(PathError::EmptyName(text.into())), "{text}");
        }
        assert_eq!(r"a\b".parse::<Path>(), Err(PathError::Escape(r"a\b".into())));
        assert_eq!("motet/type".parse::<Path>(), Err(PathError::Reserved("motet/type".into())));
    }

    #[test]
    fn the_maps_above_a_property_end_at_its_dots() {
        let maps = |text| above(text).collect::<Vec<_>>();
        assert_eq!(maps("a.b.c"), ["a", "a.b"]);
        assert_eq!(maps(r"v1\.2.notes"), [r"v1\.2"]);
        assert_eq!(maps(r"a\\.b"), [r"a\\"]);
        assert_eq!(maps("title"), Vec::<&str>::new());
    }
}
