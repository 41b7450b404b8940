//! A value that many wait on, on one thread. Who waits is woken in the order in
//! which the waiting began: tokio's `watch` wakes in a random order, and two
//! rehearsals of one seed would differ.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::sync::Notify;

/// The value, and who waits for it to change. A clone is another handle to the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bell<T>(Rc<Inner<T>>);

#[derive(Debug, Default)]
struct Inner<T> {
    value: RefCell<T>,
    rung: Notify,
}

impl<T: Clone> Bell<T> {
    /// With a first value.
    pub(crate) fn new(value: T) -> Bell<T> {
        Bell(Rc::new(Inner { value: RefCell::new(value), rung: Notify::new() }))
    }

    /// The value now.
    pub(crate) fn get(&self) -> T {
        self.0.value.borrow().clone()
    }

    /// Changes the value and wakes everybody who waits.
    pub(crate) fn ring(&self, value: T) {
        *self.0.value.borrow_mut() = value;
        self.0.rung.notify_waiters();
    }

    /// The value, as soon as it is as wanted; at once if it is already.
    pub(crate) async fn until(&self, wanted: impl Fn(&T) -> bool) -> T {
        loop {
            // On one thread nobody rings between the look and the wait.
            let rung = self.0.rung.notified();
            let value = self.get();
            if wanted(&value) {
                return value;
            }
            rung.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[tokio::test]
    async fn who_waits_is_woken_in_the_order_in_which_the_waiting_began() {
        for _ in 0..20 {
            let (bell, woken) = (Bell::new(0), Rc::new(RefCell::new(Vec::new())));
            let local = tokio::task::LocalSet::new();
            for waiter in 0..40 {
                let (bell, woken) = (bell.clone(), woken.clone());
                local.spawn_local(async move {
                    bell.until(|value| *value == 2).await;
                    woken.borrow_mut().push(waiter);
                });
            }
            let ringer = bell.clone();
            local.spawn_local(async move {
                ringer.ring(1);
                tokio::task::yield_now().await;
                ringer.ring(2);
            });
            local.await;
            assert_eq!(*woken.borrow(), (0..40).collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn what_is_already_so_is_not_waited_for() {
        let bell = Bell::new(7);
        assert_eq!(bell.until(|value| *value == 7).await, 7);
        assert_eq!(bell.clone().get(), 7);
    }
}
