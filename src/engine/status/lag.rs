//! How far a source reaches now.

use crate::axon::name::Store;
use crate::axon::token::Token;
use crate::engine::backup::read::head;
use crate::engine::error::Error;
use crate::source::Source;
use std::collections::BTreeMap;

/// The last token of each store of each context; none if it is empty.
pub type Heads = BTreeMap<(String, Store), Option<u64>>;

/// Looks at a source, and reads its open segments. Nothing is archived.
pub fn heads(source: &mut dyn Source) -> Result<Heads, Error> {
    let listing = source.listing()?;
    let mut heads = Heads::new();
    for (name, context) in &listing.contexts {
        for store in Store::ALL {
            let found = head(source, &context.store(store).segments)?;
            heads.insert((name.clone(), store), found.map(Token::get));
        }
    }
    Ok(heads)
}
