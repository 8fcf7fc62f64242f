//! How a live server is named and asked: for `backup` and `check-server`. No secret is an argument: other users of a machine see those.

use crate::cli::duration;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Under which its options stand. Said of each: said of all, it would go on to what stands behind them.
const HEADING: &str = "Live server";

/// The environment variable that holds the server's token.
pub const TOKEN_VARIABLE: &str = "SEGVAULT_SERVER_TOKEN";

/// How to ask a live server.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct ServerArgs {
    /// The server's HTTP address, like `http://node:8024`
    #[arg(long, value_name = "URL", help_heading = HEADING)]
    pub server: Option<String>,
    /// Where a path of the server is here (may be repeated); containers and hosts see other roots
    #[arg(long = "path-map", value_name = "SERVER=LOCAL", help_heading = HEADING)]
    pub path_map: Vec<String>,
    /// A file that holds the token [or set `SEGVAULT_SERVER_TOKEN`]
    #[arg(long, value_name = "FILE", requires = "server", conflicts_with = "user", help_heading = HEADING)]
    pub token_file: Option<PathBuf>,
    /// The user who asks
    #[arg(long, value_name = "NAME", requires_all = ["server", "password_file"], help_heading = HEADING)]
    pub user: Option<String>,
    /// A file that holds the user's password
    #[arg(long, value_name = "FILE", requires = "user", help_heading = HEADING)]
    pub password_file: Option<PathBuf>,
    /// Trust only the certificates in this file (PEM)
    #[arg(long, value_name = "FILE", requires = "server", conflicts_with = "insecure", help_heading = HEADING)]
    pub ca_cert: Option<PathBuf>,
    /// Trust any certificate
    #[arg(long, requires = "server", help_heading = HEADING)]
    pub insecure: bool,
    /// Wait so long for each answer
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "60s", help_heading = HEADING)]
    pub timeout: Duration,
    /// Remove the control-db zip that the server wrote, once it is archived; the server removes none
    #[arg(long, requires = "server", help_heading = HEADING)]
    pub remove_control_db_zip: bool,
}

/// `check-server`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct CheckServer {
    /// The server
    #[command(flatten)]
    pub server: ServerArgs,
    /// The directory that holds the contexts, or a server's root with data/ in it [default: the server's own paths]
    #[arg(long, value_name = "DIR", requires = "server")]
    pub data_dir: Option<PathBuf>,
    /// Only this context (may be repeated)
    #[arg(long = "context", value_name = "NAME")]
    pub contexts: Vec<String>,
    /// Not this context (may be repeated)
    #[arg(long = "exclude-context", value_name = "NAME")]
    pub excluded: Vec<String>,
    /// Don't ask for the control database
    #[arg(long)]
    pub no_control_db: bool,
}
