//! Work spread over the cores while databases are read and snapshots compiled.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::threads;

/// Threads at most: with more, memory is what they would wait for.
const THREADS: usize = 8;

/// `work` done for every item; they are begun in order. The results are in the order of the items, whichever thread came
/// to them, and a panic is that of the caller.
pub(crate) fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done: Vec<(usize, R)> = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return done };
            done.push((at, work(item)));
        }
    };
    let threads = threads::at_once().min(THREADS).min(items.len());
    let mut done = thread::scope(|scope| {
        // This thread works as well, so where the system refuses to start others the work is done all the same.
        let others: Vec<_> =
            (1..threads).filter_map(|_| thread::Builder::new().spawn_scoped(scope, take).ok()).collect();
        let mut done = take();
        for other in others {
            done.append(&mut other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|&(at, _)| at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_results_keep_their_order() {
        for count in [0, 1, 5, 1000] {
            let items: Vec<u32> = (0..count).collect();
            assert_eq!(each(&items, |&item| item * 3), items.iter().map(|item| item * 3).collect::<Vec<_>>());
        }
    }

    #[test]
    #[should_panic(expected = "the third")]
    fn a_panic_is_passed_on() {
        each(&[1, 2, 3, 4], |&item| assert!(item != 3, "the third"));
    }
}
