//! Signals set a flag, and nothing else: the verbs ask for it and end by themselves, with nothing half-made. A second one ends the process
//! where it stands, should it hang in a read of a dead disk: a crash loses nothing, and the next run tidies up.

use crate::cli::exit::Exit;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The last signal that asked to stop.
#[derive(Clone, Debug, Default)]
pub(super) struct Signals(Arc<AtomicUsize>, Arc<AtomicBool>);

impl Signals {
    /// Listens from here on to Ctrl-C, SIGTERM and SIGHUP (the terminal was closed; or something else, for those that have a use for it).
    pub(super) fn listen(stops_on_hangup: bool) -> io::Result<Self> {
        let signals = Self::default();
        signal_hook::flag::register(SIGUSR1, Arc::clone(&signals.1))?;
        let is_second = Arc::new(AtomicBool::new(false));
        for signal in
            [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| stops_on_hangup || *signal != SIGHUP)
        {
            let number = usize::try_from(signal).map_err(io::Error::other)?;
            let code = if signal == SIGINT { Exit::Interrupted } else { Exit::Terminated };
            // What is registered first is done first: the second signal finds the flag that the first one has set.
            let second = Arc::clone(&is_second);
            signal_hook::flag::register_conditional_shutdown(signal, i32::from(code.code()), second)?;
            signal_hook::flag::register(signal, Arc::clone(&is_second))?;
            signal_hook::flag::register_usize(signal, Arc::clone(&signals.0), number)?;
        }
        Ok(signals)
    }

    /// Listens to SIGHUP alone, from here on: it asks to read the configuration anew, and no longer to stop.
    pub(super) fn reloads() -> io::Result<Self> {
        let signals = Self::default();
        let number = usize::try_from(SIGHUP).map_err(io::Error::other)?;
        signal_hook::flag::register_usize(SIGHUP, Arc::clone(&signals.0), number)?;
        Ok(signals)
    }

    /// Whether one came since it was asked last.
    pub(super) fn take(&self) -> bool {
        self.0.swap(0, Ordering::Relaxed) != 0
    }

    /// Whether SIGUSR1 came since it was asked last: somebody wants to know where it stands.
    pub(super) fn asked_for_state(&self) -> bool {
        self.1.swap(false, Ordering::Relaxed)
    }

    /// As if `signal` had come.
    #[cfg(test)]
    pub(super) fn set(&self, signal: i32) {
        self.0.store(usize::try_from(signal).unwrap(), Ordering::Relaxed);
    }

    /// Whether one came.
    pub(super) fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// How a run ends that was stopped by what came.
    pub(super) fn exit(&self) -> Exit {
        let came = self.0.load(Ordering::Relaxed);
        if usize::try_from(SIGINT) == Ok(came) || came == 0 { Exit::Interrupted } else { Exit::Terminated }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_seen_and_decides_the_code() {
        let after = |signal| {
            let signals = Signals::default();
            signals.set(signal);
            signals
        };
        assert!(!Signals::default().came());
        assert!(after(SIGINT).came());
        assert_eq!(after(SIGINT).exit(), Exit::Interrupted);
        assert_eq!(after(SIGTERM).exit(), Exit::Terminated);
        assert_eq!(after(SIGHUP).exit(), Exit::Terminated);
    }

    #[test]
    fn a_signal_sent_to_this_process_sets_the_flag() {
        let signals = Signals::listen(true).unwrap();
        signal_hook::low_level::raise(SIGHUP).unwrap();
        assert!(signals.came());
    }
}
