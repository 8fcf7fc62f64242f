//! What an error between a server and us means: exit code 41 and what to do; what was typed wrong is a usage error.

use crate::cli::describe::{INTERRUPTED, Meaning};
use crate::cli::exit::Exit;
use crate::source::server::Error;

const fn refused(id: &'static str, hint: &'static str) -> Meaning {
    Meaning { exit: Exit::Server, id, hint }
}

const fn usage(id: &'static str, hint: &'static str) -> Meaning {
    Meaning { exit: Exit::Usage, id, hint }
}

const PATH_MAP: &str =
    "say where that is here with --path-map SERVER=LOCAL (--data-dir for the segments alone)";
const CREDENTIALS: &str =
    "give a token with --token-file or SEGVAULT_SERVER_TOKEN, or --user and --password-file";
const ASK_AGAIN: &str = "nothing was published; run it again, and see 'segvault check-server'";

/// What it means.
pub(super) fn server(error: &Error) -> Meaning {
    match error {
        Error::Address { .. } => usage("server.address", ""),
        Error::Secret { .. } | Error::SecretFile { .. } => usage(
            "server.secret",
            "it is one line of text: in the file that was named, or in SEGVAULT_SERVER_TOKEN",
        ),
        Error::Certificate { .. } => usage("server.ca-cert", ""),
        Error::PathMap { .. } => usage("server.path-map", "as in --path-map /axonserver=/srv/axonserver"),
        Error::Setup { .. } => refused("server.setup", ""),
        Error::Refused { .. } => {
            refused("server.refused", "is the server running, and the port its HTTP port (8024)?")
        }
        Error::Unreachable { .. } => refused("server.unreachable", "is the address right?"),
        Error::Tls { .. } => {
            refused("server.tls", "is it https? trust its certificate with --ca-cert, or any with --insecure")
        }
        Error::Timeout { .. } => refused("server.timeout", "give it more time with --timeout 5m"),
        Error::Broken { .. } => refused(
            "server.broken",
            "nothing was published; is it https, and the port its HTTP port (8024)? then run it again",
        ),
        Error::Interrupted => INTERRUPTED,
        Error::TooLarge { .. } => refused("server.too-large", "is that an Axon Server?"),
        Error::Unauthorized { .. } => refused("server.unauthorized", CREDENTIALS),
        Error::Forbidden { .. } => {
            refused("server.forbidden", "the token is wrong, or its role may not do that (ADMIN may)")
        }
        Error::Redirect { .. } => refused("server.redirect", CREDENTIALS),
        Error::Status { .. } => refused("server.status", "see the server's log; nothing was published"),
        Error::Unexpected { .. } => {
            refused("server.unexpected", "is that an Axon Server? nothing was published")
        }
        Error::NoControlDbBackup { .. } => refused("server.no-control-db", "back up with --no-control-db"),
        Error::OneSided { .. } => {
            refused("server.one-sided", "is it the same node? leave the context out with --exclude-context")
        }
        Error::Empty { .. } => refused("server.empty", ASK_AGAIN),
        Error::Missing { .. } => refused("server.missing", ASK_AGAIN),
        Error::Listing { .. } => refused("server.listing", ASK_AGAIN),
        Error::NotHere { .. } => refused("server.not-here", PATH_MAP),
        Error::ZipRefused { .. } => refused("server.zip-refused", "nothing was published"),
        Error::ZipTorn { .. } => refused("server.zip-torn", ASK_AGAIN),
    }
}
