//! Thread with a runtime of its own, in which the server's log is read: a log of many megabytes a
//! second must not delay the load.

use std::sync::mpsc::channel;
use std::thread::{Builder, JoinHandle};

use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;

/// Thread in which a log is read. A drop ends it and all of its tasks, and waits for that.
#[derive(Debug)]
pub(in crate::target) struct LogThread {
    runtime: Handle,
    /// Dropped to ask the thread to end.
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl LogThread {
    /// Starts the thread. If the system gives none, the runtime of the caller does its work.
    ///
    /// # Panics
    /// It is called outside of a runtime.
    pub(in crate::target) fn start() -> LogThread {
        let (end, ended) = oneshot::channel();
        let (give, given) = channel();
        let thread = Builder::new().name("log".to_owned()).spawn(move || {
            if let Ok(runtime) = runtime::Builder::new_current_thread().enable_all().build()
                && give.send(runtime.handle().clone()).is_ok()
            {
                // Fails, as nothing is ever sent; dropping the runtime ends its tasks.
                let _ = runtime.block_on(ended);
            }
        });
        let runtime = given.recv().unwrap_or_else(|_| Handle::current());
        LogThread { runtime, end: Some(end), thread: thread.ok() }
    }

    /// Returns the runtime of the thread.
    pub(in crate::target) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

impl Drop for LogThread {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has ended too.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_that_is_read_ends_with_the_thread() {
        let thread = LogThread::start();
        let (held, mut dropped) = oneshot::channel::<()>();
        let (begin, began) = oneshot::channel();
        thread.runtime().spawn(async move {
            let _ = begin.send(std::thread::current().name().map(str::to_owned));
            std::future::pending::<()>().await;
            drop(held);
        });
        assert_eq!(began.await, Ok(Some("log".to_owned())));
        drop(thread);
        assert!(dropped.try_recv().is_err_and(|why| why == oneshot::error::TryRecvError::Closed));
    }
}
