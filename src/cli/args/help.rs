//! `help` and `explain`.

use clap::Args;

/// `help`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Help {
    /// A verb, or one of: exit-codes, errors
    #[arg(value_name = "TOPIC")]
    pub topic: Vec<String>,
}

/// `explain`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Explain {
    /// The error's id, as --json prints it, or the part before its dot; without one, all are listed
    pub id: Option<String>,
}
