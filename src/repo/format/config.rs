//! `segvault.json`: what a repository is. Written once.

use crate::repo::format::Damage;
use crate::repo::format::id::Naming;
use crate::repo::format::json;
use crate::repo::format::moment::Moment;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The `type` in `segvault.json`.
pub const TYPE: &str = "segvault.repository";
/// The version of the repository's format that this program writes.
pub const VERSION: u32 = 1;

/// The configuration of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// [`VERSION`].
    pub version: u32,
    /// 32 random hexadecimal digits.
    pub id: String,
    /// When it was made.
    pub at: Moment,
    /// How names are made.
    pub naming: Naming,
    /// Features that a program must know to read or write here; an unknown one means: hands off (exit 13).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// How much parity new packs get, in hundredths of their length; none if there is nothing. A program that does not know it writes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parity: Option<u8>,
}

/// The feature of a repository from which nothing is removed unless an operator allows it.
pub const APPEND_ONLY: &str = "append-only";
/// The features that this program knows.
pub const FEATURES: [&str; 1] = [APPEND_ONLY];

impl Config {
    /// Whether nothing is removed here unless an operator allows it.
    pub fn is_append_only(&self) -> bool {
        self.features.iter().any(|feature| feature == APPEND_ONLY)
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        // Nothing in it can fail: texts, one number, one moment within the years that jiff knows.
        json::encode(self).unwrap_or_default()
    }

    /// Reads it; refuses newer versions, and features and namings that this program does not know.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let value = json::open(bytes, TYPE, VERSION)?;
        refuse_unknown(&value)?;
        json::read(value)
    }
}

fn refuse_unknown(value: &Value) -> Result<(), Damage> {
    let naming = value.get("naming").unwrap_or(&Value::Null);
    if naming.is_string() && json::read::<Naming>(naming.clone()).is_err() {
        return Err(newer("naming", naming, "blake3".to_owned()));
    }
    let features = value.get("features").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let known = |feature: &Value| feature.as_str().is_some_and(|name| FEATURES.contains(&name));
    match features.iter().find(|feature| !known(feature)) {
        Some(feature) => Err(newer("feature", feature, "none of that name".to_owned())),
        None => Ok(()),
    }
}

fn newer(what: &'static str, found: &Value, supported: String) -> Damage {
    Damage::Newer { what, found: found.to_string(), supported }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            kind: TYPE.to_owned(),
            version: VERSION,
            id: "00112233445566778899aabbccddeeff".to_owned(),
            at: Moment(1_795_442_729_123),
            naming: Naming::Blake3,
            features: Vec::new(),
            parity: None,
        }
    }

    fn with(member: &str, value: Value) -> Vec<u8> {
        let mut config = serde_json::to_value(config()).unwrap();
        config[member] = value;
        json::encode(&config).unwrap()
    }

    #[test]
    fn it_comes_back() {
        assert_eq!(Config::decode(&config().encode()), Ok(config()));
        let append_only = Config { features: vec![APPEND_ONLY.to_owned()], ..config() };
        assert!(append_only.is_append_only() && !config().is_append_only());
        assert_eq!(Config::decode(&append_only.encode()), Ok(append_only));
        let other = Config { features: vec!["another".to_owned()], ..config() };
        assert!(!other.is_append_only());
    }

    #[test]
    fn parity_is_a_number_that_may_be_missing() {
        let config = Config { parity: Some(3), ..config() };
        assert_eq!(Config::decode(&config.encode()), Ok(config));
    }

    #[test]
    fn unknown_features_and_namings_are_for_newer_programs() {
        for bytes in [
            with("features", serde_json::json!(["parity"])),
            with("features", serde_json::json!([7])),
            with("naming", Value::String("blake3-keyed".to_owned())),
            with("version", Value::from(2)),
        ] {
            assert!(matches!(Config::decode(&bytes), Err(Damage::Newer { .. })));
        }
    }

    #[test]
    fn unknown_members_are_stepped_over_and_wrong_ones_refused() {
        assert_eq!(Config::decode(&with("colour", Value::from(7))), Ok(config()));
        assert!(matches!(Config::decode(&with("naming", Value::from(7))), Err(Damage::Json(_))));
        assert!(matches!(Config::decode(&with("features", Value::from(7))), Err(Damage::Json(_))));
    }
}
