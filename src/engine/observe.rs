//! How the engine talks back without printing.

/// What happens, for progress bars and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A phase begins; `total` bytes are expected, if that is known.
    Phase {
        /// What is being done.
        name: &'a str,
        /// Bytes to do.
        total: Option<u64>,
    },
    /// So many files are going to be worked on in this phase.
    Files(u64),
    /// A file is being worked on.
    File {
        /// Its name.
        name: &'a str,
    },
    /// So many more bytes of the phase are done.
    Bytes(u64),
    /// Of so many bytes so far, so many had to be stored: what is not encoded yet counts as it is.
    Saved {
        /// Bytes that were taken.
        raw: u64,
        /// What they take.
        stored: u64,
    },
    /// Something that the user should see now.
    Warning(&'a str),
}

/// Watches a verb at work. All methods have defaults: a test needs none.
pub trait Observer: Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_>) {
        let _ = event;
    }

    /// Whether to stop (Ctrl-C). Asked often; once true, the verb ends with `Interrupted` and leaves nothing half-made.
    fn interrupted(&self) -> bool {
        false
    }

    /// Our clock, milliseconds since 1970.
    fn now_ms(&self) -> i64 {
        0
    }
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}
