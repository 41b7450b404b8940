//! Shares a value that many tasks of one thread wait on. Tasks are woken in the
//! order in which they began to wait: tokio's `watch` wakes in a random order,
//! and two rehearsals of one seed would differ.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::sync::Notify;

/// Handle to a shared value; clones refer to the same value.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedValue<T>(Rc<Inner<T>>);

#[derive(Debug, Default)]
struct Inner<T> {
    value: RefCell<T>,
    changed: Notify,
}

impl<T: Clone> SharedValue<T> {
    /// Returns a handle to a new value.
    pub(crate) fn new(value: T) -> SharedValue<T> {
        SharedValue(Rc::new(Inner { value: RefCell::new(value), changed: Notify::new() }))
    }

    /// Returns the present value.
    pub(crate) fn get(&self) -> T {
        self.0.value.borrow().clone()
    }

    /// Sets the value and wakes all waiting tasks.
    pub(crate) fn set(&self, value: T) {
        *self.0.value.borrow_mut() = value;
        self.0.changed.notify_waiters();
    }

    /// Waits until the value fulfils a condition, and returns it; at once if it already does.
    pub(crate) async fn until(&self, wanted: impl Fn(&T) -> bool) -> T {
        loop {
            // The value cannot change between this check and the wait, since all tasks are on one
            // thread.
            let changed = self.0.changed.notified();
            let value = self.get();
            if wanted(&value) {
                return value;
            }
            changed.await;
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
            let (shared, woken) = (SharedValue::new(0), Rc::new(RefCell::new(Vec::new())));
            let local = tokio::task::LocalSet::new();
            for waiter in 0..40 {
                let (shared, woken) = (shared.clone(), woken.clone());
                local.spawn_local(async move {
                    shared.until(|value| *value == 2).await;
                    woken.borrow_mut().push(waiter);
                });
            }
            let setter = shared.clone();
            local.spawn_local(async move {
                setter.set(1);
                tokio::task::yield_now().await;
                setter.set(2);
            });
            local.await;
            assert_eq!(*woken.borrow(), (0..40).collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn what_is_already_so_is_not_waited_for() {
        let shared = SharedValue::new(7);
        assert_eq!(shared.until(|value| *value == 7).await, 7);
        assert_eq!(shared.clone().get(), 7);
    }
}
