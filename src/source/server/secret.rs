//! What a server is told so that it answers: a token, or a user and a password. Never shown: not by `Debug`, not in an error, and cut out of
//! every answer that repeats it.

use crate::source::server::error::Error;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Longer than any token or password.
const LENGTH_MAX: u64 = 4096;
const HIDDEN: &str = "***";

/// So long a secret is no ordinary word: wherever it stands, it is the secret. A shorter one may be part of a name or a path by chance.
const UNMISTAKABLE: usize = 16;

/// A token or a password. `Debug` shows neither it nor its length.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Secret {
    /// A secret, without the line breaks and spaces around it. `Secret` if nothing is left, or if it can be none.
    pub fn new(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::Secret { why: "it is empty" });
        }
        if text.len() as u64 > LENGTH_MAX || text.chars().any(char::is_control) {
            return Err(Error::Secret { why: "it is no single line of text" });
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads a secret from a file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |why: String| Error::SecretFile { path: path.to_path_buf(), why };
        let file = File::open(path).map_err(|error| failed(error.to_string()))?;
        let mut bytes = Vec::new();
        file.take(LENGTH_MAX + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| failed("it is no text".to_owned()))?;
        Self::new(&text).map_err(|error| match error {
            Error::Secret { why } => failed(why.to_owned()),
            other => other,
        })
    }

    /// The secret itself: for the header of a request, and nothing else.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody: access control is off.
    #[default]
    None,
    /// An application, with its token.
    Token(Secret),
    /// A user.
    User {
        /// Its name.
        name: String,
        /// Its password.
        password: Secret,
    },
}

impl Credentials {
    /// An answer that is going to be read. What is told of it goes through [`Self::hide`]; in names and paths a short secret stays, or a
    /// password `data` would hide where the data is.
    pub(super) fn hide_in_answer(&self, text: &str) -> String {
        let length = match self {
            Self::None => return text.to_owned(),
            Self::Token(secret) | Self::User { password: secret, .. } => secret.reveal().len(),
        };
        if length >= UNMISTAKABLE { self.hide(text) } else { text.to_owned() }
    }

    /// The text without the secret, should a server repeat it, as it is or as JSON or HTML has it.
    pub(in crate::source) fn hide(&self, text: &str) -> String {
        let secret = match self {
            Self::None => return text.to_owned(),
            Self::Token(secret) | Self::User { password: secret, .. } => secret.reveal(),
        };
        let forms = self.basic().into_iter().chain([in_json(secret), in_html(secret), secret.to_owned()]);
        forms.fold(text.to_owned(), |text, form| text.replace(&form, HIDDEN))
    }

    /// What stands behind `Basic` in the header of a user's request.
    pub(super) fn basic(&self) -> Option<String> {
        match self {
            Self::User { name, password } => {
                Some(BASE64_STANDARD.encode(format!("{name}:{}", password.reveal())))
            }
            Self::None | Self::Token(_) => None,
        }
    }
}

/// As it stands between the quotes of a JSON string.
fn in_json(secret: &str) -> String {
    let quoted = serde_json::Value::from(secret).to_string();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or(secret).to_owned()
}

/// As an error page has it.
fn in_html(secret: &str) -> String {
    let escapes = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&#39;")];
    escapes.iter().fold(secret.to_owned(), |text, (plain, escaped)| text.replace(plain, escaped))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> Credentials {
        Credentials::User { name: "admin".to_owned(), password: Secret::new("pass word\n").unwrap() }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let token = Credentials::Token(Secret::new(" t0ken-123 \n").unwrap());
        assert_eq!(format!("{token:?}"), "Token(***)");
        assert!(!format!("{:?}", user()).contains("pass word"));
        assert_eq!(token.hide("no t0ken-123, t0ken-123"), "no ***, ***");
        assert_eq!(user().hide("Basic YWRtaW46cGFzcyB3b3Jk; pass word"), "Basic ***; ***");
    }

    #[test]
    fn a_secret_is_not_shown_as_json_or_html_has_it_either() {
        let token = Credentials::Token(Secret::new(r#"a"b\c<d"#).unwrap());
        let said = r#"{"message": "no a\"b\\c<d"} <p>no a&quot;b\c&lt;d</p> no a"b\c<d"#;
        assert_eq!(token.hide(said), r#"{"message": "no ***"} <p>no ***</p> no ***"#);
    }

    #[test]
    fn a_short_secret_that_is_a_word_leaves_names_and_paths_alone() {
        let word = Credentials::Token(Secret::new("data").unwrap());
        assert_eq!(word.hide_in_answer("/axonserver/data/default"), "/axonserver/data/default");
        assert_eq!(word.hide("no data"), "no ***");
        let long = Credentials::Token(Secret::new("0123456789abcdef").unwrap());
        assert_eq!(long.hide_in_answer("/axonserver/0123456789abcdef"), "/axonserver/***");
    }

    #[test]
    fn what_can_be_no_secret_is_refused_without_showing_it() {
        for text in ["", " \n", "two\nlines", "a\u{7}b"] {
            let error = Secret::new(text).unwrap_err().to_string();
            assert!(text.trim().is_empty() || !error.contains(text), "{error}");
        }
    }
}
