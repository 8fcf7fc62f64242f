//! The control database's zip: taken apart, rebuilt bit by bit; and what its H2 file says of itself.
//!
//! The zip that the server writes is one deflate entry made by Java's `ZipOutputStream`: everything in it follows from the inner
//! file, its name and its DOS time. [`take_apart`] proves that before anybody drops the zip.

mod chunks;
mod contents;
mod facts;
mod zip;

pub use crate::axon::control_db::contents::Contents;
pub use crate::axon::control_db::contents::WalkError;
pub use crate::axon::control_db::contents::contents;
pub use crate::axon::control_db::facts::Facts;
pub use crate::axon::control_db::facts::facts;
pub use crate::axon::control_db::zip::Recipe;
pub use crate::axon::control_db::zip::TakenApart;
pub use crate::axon::control_db::zip::ZipError;
pub use crate::axon::control_db::zip::rebuild;
pub use crate::axon::control_db::zip::take_apart;

/// The milliseconds in a name like the server gives to a zip. From 2024 on its database is called `configdb`.
pub fn named_ms(name: &str) -> Option<i64> {
    let stem = name.strip_suffix(".zip")?;
    let digits = stem.strip_prefix("controldb").or_else(|| stem.strip_prefix("configdb"))?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::named_ms;

    #[test]
    fn the_server_s_names_hold_the_time() {
        assert_eq!(named_ms("controldb1795381849885.zip"), Some(1_795_381_849_885));
        assert_eq!(named_ms("configdb17.zip"), Some(17));
        for other in
            ["controldb.zip", "controldb17.zip.part", "controldb-17.zip", "controldb+17.zip", "x17.zip"]
        {
            assert_eq!(named_ms(other), None, "{other}");
        }
    }
}
