//! Two steps with each of many things: the first on more threads than there are cores, since each of them waits for the disk half of its time; the
//! second behind it, on threads of its own. A disk is read again while the next file is decoded: who waits for the one does not wait for the other.

use rayon::ThreadPoolBuilder;
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// For each core so many things are in the first step at once.
const FOR_A_CORE: usize = 2;

/// How many of so many things are in the first step at once: at least one.
fn at_once(items: usize) -> usize {
    rayon::current_num_threads().saturating_mul(FOR_A_CORE).min(items).max(1)
}

/// Does `first` with each item, then `then` with what it gave; gives what `then` gave, in the order of the items. After an error nothing new is
/// begun; of several errors the one of the first item is told. As many threads as cores do the second step, and no more things wait for it: of
/// what is too much the core takes care itself. So nobody waits for anybody.
pub fn each<'t, T: Sync, M: Send, R: Send, E: Send>(
    items: &'t [T],
    first: impl Fn(&'t T) -> Result<M, E> + Sync,
    then: impl Fn(M) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let (threads, writers) = (rayon::current_num_threads().min(items.len()), at_once(items.len()));
    let line =
        Line { done: Mutex::new(items.iter().map(|_| None).collect()), failed: AtomicBool::new(false) };
    let (sender, receiver) = sync_channel(threads);
    let receiver = Mutex::new(receiver);
    let work = || {
        items.par_iter().enumerate().for_each_with(sender, |sender, (at, item)| {
            if let Some(made) = line.begin(at, || first(item)) {
                line.hand_over((at, made), sender, &then);
            }
        });
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| line.work_off(&receiver, &then));
        }
        match ThreadPoolBuilder::new().num_threads(writers).build() {
            Ok(pool) => pool.install(work),
            // What can't be had does not keep it from being done.
            Err(_) => work(),
        }
    });
    line.results()
}

/// What was done so far.
struct Line<R, E> {
    done: Mutex<Vec<Option<Result<R, E>>>>,
    failed: AtomicBool,
}

impl<R, E> Line<R, E> {
    fn begin<M>(&self, at: usize, first: impl FnOnce() -> Result<M, E>) -> Option<M> {
        if self.failed.load(Ordering::Relaxed) {
            return None;
        }
        match first() {
            Ok(made) => Some(made),
            Err(error) => {
                self.finish(at, Err(error));
                None
            }
        }
    }

    fn hand_over<M>(
        &self,
        made: (usize, M),
        sender: &SyncSender<(usize, M)>,
        then: &impl Fn(M) -> Result<R, E>,
    ) {
        if let Err(TrySendError::Full((at, made)) | TrySendError::Disconnected((at, made))) =
            sender.try_send(made)
        {
            self.finish(at, then(made));
        }
    }

    fn work_off<M>(&self, receiver: &Mutex<Receiver<(usize, M)>>, then: &impl Fn(M) -> Result<R, E>) {
        loop {
            let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((at, made)) = next else { return };
            if !self.failed.load(Ordering::Relaxed) {
                self.finish(at, then(made));
            }
        }
    }

    fn finish(&self, at: usize, result: Result<R, E>) {
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = done.get_mut(at) {
            *place = Some(result);
        }
    }

    /// All of them, or the first error: where something is missing, there is one.
    fn results(self) -> Result<Vec<R>, E> {
        self.done.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..1000).collect();
        let twice = each(&items, |item| Ok::<_, ()>(item * 2), |made| Ok(made + 1));
        assert_eq!(twice, Ok(items.iter().map(|item| item * 2 + 1).collect()));
        assert_eq!(each(&[0_u8; 0], |_| Ok::<_, ()>(()), Ok), Ok(vec![]));
    }

    #[test]
    fn an_error_of_either_step_is_told() {
        let items: Vec<u64> = (0..100).collect();
        let first = |item: &u64| if *item == 3 { Err("first") } else { Ok(*item) };
        assert_eq!(each(&items, first, Ok), Err("first"));
        let then = |made| if made == 70 { Err("then") } else { Ok(made) };
        assert_eq!(each(&items, |item| Ok(*item), then), Err("then"));
    }

    #[test]
    fn after_an_error_nothing_new_is_begun() {
        let line = Line { done: Mutex::new(vec![None, None]), failed: AtomicBool::new(false) };
        assert_eq!(line.begin(0, || Ok::<_, &str>(7)), Some(7));
        line.finish(0, Err("no"));
        assert_eq!(line.begin(1, || -> Result<u8, _> { panic!("an error was told") }), None);
        assert_eq!(line.results(), Err::<Vec<u8>, _>("no"));
    }

    #[test]
    fn the_last_one_s_error_is_told_too() {
        let items = [1_u8, 2, 3];
        assert_eq!(
            each(&items, |item| Ok(*item), |made| if made == 3 { Err(()) } else { Ok(made) }),
            Err(())
        );
    }
}
