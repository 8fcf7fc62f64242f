//! The file, read: TOML into settings, each with its line.

use crate::cli::config::error::Error;
use crate::cli::config::keys::{Section, nearest};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// What a key is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Value {
    /// True or false.
    Flag(bool),
    /// A text or a number.
    One(String),
    /// A list.
    Many(Vec<String>),
}

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Setting {
    /// The profile that it belongs to, if it belongs to one.
    pub(in crate::cli) profile: Option<String>,
    /// Its table.
    pub(in crate::cli) section: Section,
    /// Its key.
    pub(in crate::cli) key: String,
    /// Its value.
    pub(in crate::cli) value: Value,
    /// Its line.
    pub(in crate::cli) line: usize,
}

/// Reads a file's text.
pub(super) fn read(path: &Path, text: &str) -> Result<Vec<Setting>, Error> {
    let table = DeTable::parse(text).map_err(|error| Error::Syntax {
        path: path.to_path_buf(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        why: error.message().lines().next().unwrap_or_default().to_owned(),
    })?;
    let mut reader = Reader { path, text, settings: Vec::new() };
    reader.top(None, table.get_ref())?;
    reader.settings.sort_by_key(|setting| setting.line);
    Ok(reader.settings)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

type Key<'t> = Spanned<DeString<'t>>;
type Found<'t> = Spanned<DeValue<'t>>;

struct Reader<'t> {
    path: &'t Path,
    text: &'t str,
    settings: Vec<Setting>,
}

impl Reader<'_> {
    fn line(&self, key: &Key<'_>) -> usize {
        line_of(self.text, key.span().start)
    }

    /// The top of the file, or of a profile.
    fn top(&mut self, profile: Option<&str>, table: &DeTable<'_>) -> Result<(), Error> {
        for (key, value) in table {
            let name: &str = key.get_ref();
            match (name, value.get_ref()) {
                ("source", DeValue::Table(sources)) if profile.is_none() => self.sources(sources)?,
                ("profile", DeValue::Table(profiles)) if profile.is_none() => self.profiles(profiles)?,
                (name, DeValue::Table(inner)) if Section::named(name).is_some() => {
                    let Some(section) = Section::named(name) else { continue };
                    self.section(profile, &section, inner)?;
                }
                _ => self.setting(profile, &Section::Top, key, value)?,
            }
        }
        Ok(())
    }

    fn sources(&mut self, sources: &DeTable<'_>) -> Result<(), Error> {
        for (name, value) in sources {
            let section = Section::Source(name.get_ref().to_string());
            let DeValue::Table(inner) = value.get_ref() else {
                return Err(self.wrong(name, "a source is a table: [source.NAME]"));
            };
            // A source without anything in it is one all the same: it is not passed over.
            self.push(None, (section.clone(), "source".to_owned(), Value::Flag(true)), self.line(name));
            self.section(None, &section, inner)?;
        }
        Ok(())
    }

    fn profiles(&mut self, profiles: &DeTable<'_>) -> Result<(), Error> {
        for (name, value) in profiles {
            let DeValue::Table(inner) = value.get_ref() else {
                return Err(self.wrong(name, "a profile is a table: [profile.NAME]"));
            };
            let profile: &str = name.get_ref();
            // A profile without anything in it is one all the same.
            let there = (Section::Top, "profile".to_owned(), Value::Flag(true));
            self.push(Some(profile), there, self.line(name));
            self.top(Some(profile), inner)?;
        }
        Ok(())
    }

    fn section(
        &mut self,
        profile: Option<&str>,
        section: &Section,
        table: &DeTable<'_>,
    ) -> Result<(), Error> {
        table.iter().try_for_each(|(key, value)| self.setting(profile, section, key, value))
    }

    fn setting(
        &mut self,
        profile: Option<&str>,
        section: &Section,
        key: &Key<'_>,
        value: &Found<'_>,
    ) -> Result<(), Error> {
        let name: &str = key.get_ref();
        let known = section.keys(profile.is_some());
        if !known.iter().any(|known| known == name) {
            return Err(self.unknown(section, profile, key, &known));
        }
        let Some(value) = value_of(value.get_ref()) else {
            return Err(self.wrong(key, "give a text, a number, true or false, or a list of texts"));
        };
        self.push(profile, (section.clone(), name.to_owned(), value), self.line(key));
        Ok(())
    }

    fn push(&mut self, profile: Option<&str>, (section, key, value): (Section, String, Value), line: usize) {
        self.settings.push(Setting { profile: profile.map(str::to_owned), section, key, value, line });
    }

    fn unknown(&self, section: &Section, profile: Option<&str>, key: &Key<'_>, known: &[String]) -> Error {
        let name: &str = key.get_ref();
        let tables = if *section == Section::Top { Section::NAMES.as_slice() } else { &[] };
        let guess = nearest(name, known.iter().map(String::as_str).chain(tables.iter().copied()));
        let place = match profile {
            Some(profile) if *section == Section::Top => format!("[profile.{profile}]"),
            Some(profile) => format!("{} of the profile {profile}", section.title()),
            None => section.title(),
        };
        Error::UnknownKey {
            path: self.path.to_path_buf(),
            line: self.line(key),
            key: name.to_owned(),
            place,
            guess,
        }
    }

    fn wrong(&self, key: &Key<'_>, why: &str) -> Error {
        let name: &str = key.get_ref();
        Error::Syntax { path: self.path.to_path_buf(), line: self.line(key), why: format!("{name}: {why}") }
    }
}

fn value_of(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::Boolean(truth) => Some(Value::Flag(*truth)),
        DeValue::Array(values) => {
            let texts: Option<Vec<String>> = values.iter().map(|value| text_of(value.get_ref())).collect();
            texts.map(Value::Many)
        }
        // `tag = { env = "prod" }` is `tag = ["env=prod"]`.
        DeValue::Table(pairs) => {
            let pair = |(key, value): (&Key<'_>, &Found<'_>)| {
                Some(format!("{}={}", key.get_ref(), text_of(value.get_ref())?))
            };
            pairs.iter().map(pair).collect::<Option<Vec<_>>>().map(Value::Many)
        }
        other => text_of(other).map(Value::One),
    }
}

fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Datetime(moment) => Some(moment.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Setting>, String> {
        super::read(Path::new("s.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn each_setting_has_its_table_and_its_line() {
        let text = "repository = \"/r\"\n\n[source.orders]\ndata-dir = \"/a\"\ncontext = [\"a\", \"b\"]\ntag = { env = \"prod\" }\n\n[profile.night.retention]\nkeep-daily = 7\n";
        let found = read(text).unwrap();
        let rows: Vec<_> =
            found.iter().map(|s| (s.line, s.section.title(), s.key.as_str(), s.value.clone())).collect();
        let one = |text: &str| Value::One(text.to_owned());
        let many = |texts: &[&str]| Value::Many(texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(rows[0], (1, "the file itself".to_owned(), "repository", one("/r")));
        assert_eq!(rows[1], (3, "[source.orders]".to_owned(), "source", Value::Flag(true)));
        assert_eq!(rows[2], (4, "[source.orders]".to_owned(), "data-dir", one("/a")));
        assert_eq!(rows[3].3, many(&["a", "b"]));
        assert_eq!(rows[4].3, many(&["env=prod"]));
        assert_eq!((rows[6].0, rows[6].2, found[6].profile.as_deref()), (9, "keep-daily", Some("night")));
    }

    #[test]
    fn an_unknown_key_is_an_error_with_a_suggestion() {
        for (text, expected) in [
            (
                "repositry = \"x\"",
                "s.toml:1: there is no 'repositry' in the file itself; is it 'repository'?",
            ),
            (
                "\n[retentoin]\nkeep-daily = 1",
                "s.toml:2: there is no 'retentoin' in the file itself; is it 'retention'?",
            ),
            (
                "[retention]\nkeep-dayly = 1",
                "s.toml:2: there is no 'keep-dayly' in [retention]; is it 'keep-daily'?",
            ),
            (
                "[source.a]\ndata_dir = \"x\"",
                "s.toml:2: there is no 'data_dir' in [source.a]; is it 'data-dir'?",
            ),
            ("[hooks]\nxyz = 1", "s.toml:2: there is no 'xyz' in [hooks]"),
            ("[source.a]\nnew-incarnation = true", "s.toml:2: there is no 'new-incarnation' in [source.a]"),
            ("[profile.n]\nsorces = []", "s.toml:2: there is no 'sorces' in [profile.n]; is it 'sources'?"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.starts_with(expected), "{told}");
        }
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_line() {
        assert!(read("a = 1\nb = [").unwrap_err().starts_with("s.toml:2: "));
        assert!(read("source = 3").unwrap_err().starts_with("s.toml:1: "));
        assert!(read("[source.a]\ndata-dir = [[1]]").unwrap_err().contains("give a text"));
    }
}
