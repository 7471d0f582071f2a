//! A thread for blocking work: building networks must not hold up the ends that are running.

use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// A thread that owns a state `S` and works on it, one job after another.
#[derive(Debug)]
pub struct Worker<S> {
    jobs: Option<Sender<Job<S>>>,
    thread: Option<JoinHandle<()>>,
}

impl<S: Send + 'static> Worker<S> {
    /// Starts the thread, called `name`.
    pub fn start(name: &str, mut state: S) -> std::io::Result<Self> {
        let (jobs, inbox) = mpsc::channel::<Job<S>>();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
            while let Ok(job) = inbox.recv() {
                job(&mut state);
            }
        })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Has `work` done on the thread and waits for it.
    ///
    /// # Panics
    /// If `work` panicked.
    pub async fn call<T: Send + 'static>(&self, work: impl FnOnce(&mut S) -> T + Send + 'static) -> T {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().expect("the sender lives as long as the worker");
        let sent = jobs.send(Box::new(move |state| {
            // Nobody waits for the answer when the run was interrupted.
            let _ = reply.send(work(state));
        }));
        assert!(sent.is_ok(), "the thread ends only when the worker is dropped");
        answer.await.expect("the job did not panic")
    }
}

impl<S> Drop for Worker<S> {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
