//! Several runs at once, each on one thread, with their results in the order of the input.

use std::{
    collections::BTreeMap,
    io, iter,
    ops::ControlFlow,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

/// Calls `work` for every number below `count` on `threads` threads, and calls `done` with each
/// result on this thread, in the order of the numbers. After a `Break`, no more work is begun.
///
/// A panic in `work` is the caller's to catch; one that gets here ends the program.
pub fn in_order<T: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> T + Sync,
    mut done: impl FnMut(T) -> ControlFlow<()>,
) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (sender, results) = mpsc::channel();
        for _ in 0..threads.clamp(1, count.max(1)) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            let worker = move || {
                let numbers = iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
                let numbers = numbers.take_while(|number| *number < count);
                // An error says that nobody takes results any longer.
                let _ =
                    numbers.map(|number| sender.send((number, work(number)))).find(Result::is_err);
            };
            thread::Builder::new().spawn_scoped(scope, worker)?;
        }
        drop(sender);

        let mut waiting = BTreeMap::new();
        let mut turn = 0;
        for (number, result) in results {
            waiting.insert(number, result);
            while let Some(result) = waiting.remove(&turn) {
                turn += 1;
                if done(result).is_break() {
                    next.store(count, Ordering::Relaxed);
                    return Ok(());
                }
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_input() {
        let mut seen = Vec::new();
        // The first number is finished last.
        let (release, held) = mpsc::channel();
        let held = std::sync::Mutex::new(held);
        let work = |number: usize| {
            match number {
                0 => held.lock().expect("one user").recv().expect("released"),
                9 => release.send(()).expect("held"),
                _ => {}
            }
            number
        };
        in_order(10, 2, work, |number| {
            seen.push(number);
            ControlFlow::Continue(())
        })
        .expect("threads");
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn after_a_break_no_more_work_is_begun() {
        let begun = AtomicUsize::new(0);
        let work = |_| begun.fetch_add(1, Ordering::Relaxed);
        in_order(1_000_000, 1, work, |_| ControlFlow::Break(())).expect("threads");
        assert!(begun.into_inner() < 1_000_000);
    }
}
