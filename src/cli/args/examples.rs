//! Examples, for the help of each verb and the manual. A test runs them, in this order, beside a server's directory named `axonserver`.

use clap::Command;

/// Verbs and lines, as they are typed.
pub const EXAMPLES: [(&str, &[&str]); 24] = [
    ("init", &["segvault init", "segvault init -r copy"]),
    (
        "backup",
        &[
            "segvault backup --data-dir axonserver --control-db axonserver/backups --source orders",
            "segvault backup --data-dir axonserver --no-control-db --source orders --tag why=upgrade",
            "segvault backup --server http://node:8024 --path-map /axonserver=/srv/axonserver",
        ],
    ),
    ("watch", &["segvault watch --server http://node:8024 --interval 5s --point-every 30m"]),
    (
        "check-server",
        &["segvault check-server --server http://node:8024 --path-map /axonserver=/srv/axonserver"],
    ),
    ("points", &["segvault points", "segvault points --at 2026-11-22T21:11:00Z"]),
    ("show", &["segvault show", "segvault show latest~1 --json"]),
    (
        "restore",
        &[
            "segvault restore --target restored",
            "segvault restore 1 --target at-point-1 --context default",
            "segvault restore --to-token default=1200 --target at-1200",
            "segvault restore --to-time 2026-11-22T21:11:00Z --target at-that-time --dry-run",
        ],
    ),
    ("drill", &["segvault drill", "segvault drill --random --exec true"]),
    (
        "events",
        &[
            "segvault events --context default --from 100 --to 110",
            "segvault events --context default --from 100 --to 110 --csv",
        ],
    ),
    ("diff", &["segvault diff 1 2"]),
    (
        "verify",
        &[
            "segvault verify",
            "segvault verify --data --max-duration 10m",
            "segvault verify --against axonserver",
        ],
    ),
    (
        "status",
        &[
            "segvault status",
            "segvault status --nagios --max-age 2h",
            "segvault status --metrics segvault.prom",
        ],
    ),
    ("stats", &["segvault stats", "segvault stats --by point --csv"]),
    (
        "hold",
        &[
            "segvault hold add 1 --reason \"audit 2026\" --until 2027-01-01",
            "segvault hold list",
            "segvault hold remove 1",
        ],
    ),
    (
        "forget",
        &[
            "segvault forget --keep-last 2 --keep-daily 30",
            "segvault forget --keep-last 1 --yes",
            "segvault forget --undo",
        ],
    ),
    ("prune", &["segvault prune --dry-run", "segvault prune --max-duration 10m"]),
    ("recompress", &["segvault recompress --max-duration 1h"]),
    ("copy", &["segvault copy --to copy", "segvault copy --to copy --since-last"]),
    ("repair", &["segvault repair index", "segvault repair from axonserver --dry-run"]),
    ("run", &["segvault run --config segvault.toml", "segvault run quick --config segvault.toml"]),
    (
        "config",
        &["segvault config show --config segvault.toml", "segvault config check --config segvault.toml"],
    ),
    ("explain", &["segvault explain repository.locked", "segvault explain backup"]),
    ("help", &["segvault help exit-codes", "segvault help restore"]),
    ("man", &["segvault man", "segvault man pages"]),
];

/// Puts them behind the help.
pub(super) fn add_to(mut command: Command) -> Command {
    for (verb, lines) in EXAMPLES {
        let text = format!("Examples:\n  $ {}", lines.join("\n  $ "));
        command = command.mut_subcommand(verb, |verb| verb.after_long_help(text));
    }
    command
}
