//! What a server is told so that it answers: a token, or a user and a password. Never shown: not by `Debug`, not in an error, and cut out of
//! every answer that repeats it.

use crate::source::server::error::Error;
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

    /// The text without the secret, should a server repeat it.
    pub(in crate::source) fn hide(&self, text: &str) -> String {
        match self {
            Self::None => text.to_owned(),
            Self::Token(token) => text.replace(token.reveal(), HIDDEN),
            Self::User { password, .. } => {
                text.replace(&self.basic().unwrap_or_default(), HIDDEN).replace(password.reveal(), HIDDEN)
            }
        }
    }

    /// What stands behind `Basic` in the header of a user's request.
    pub(super) fn basic(&self) -> Option<String> {
        match self {
            Self::User { name, password } => Some(base64(format!("{name}:{}", password.reveal()).as_bytes())),
            Self::None | Self::Token(_) => None,
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 63;
            let letter = DIGITS.get(value as usize).copied().map_or('=', char::from);
            text.push(if digit <= group.len() { letter } else { '=' });
        }
    }
    text
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

    #[test]
    fn base64_is_that_of_the_rfc() {
        let pairs = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, coded) in pairs {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
