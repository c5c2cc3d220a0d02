//! What a workload is: a setup, a run, and a check of its result.
//!
//! ```text
//! setup ─► input ─► run ─► output ─► check
//!                   └──┘ the only part that is counted or timed
//! ```
//!
//! A run returns everything it worked on, so that nothing is dropped while it is measured. A check
//! panics where the result is wrong: the cost of wrong work is meaningless.

/// One workload of the catalogue.
pub struct Workload {
    id: &'static str,
    prepare: Box<dyn Fn() -> Box<dyn Pass>>,
}

impl Workload {
    /// A workload with the id `suite/subject/case`.
    pub fn new<I: 'static, O: 'static>(
        id: &'static str,
        setup: impl Fn() -> I + 'static,
        run: fn(I) -> O,
        check: fn(O),
    ) -> Self {
        let prepare = move || -> Box<dyn Pass> {
            Box::new(Once {
                run,
                check,
                state: State::Ready(setup()),
            })
        };
        Self {
            id,
            prepare: Box::new(prepare),
        }
    }

    /// Its name, the same in both harnesses, baselines and reports.
    #[must_use]
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// Sets up one pass.
    #[must_use]
    pub fn prepare(&self) -> Box<dyn Pass> {
        (self.prepare)()
    }
}

/// One pass of a workload, set up and ready.
pub trait Pass {
    /// Runs it. A second call does nothing.
    fn run(&mut self);

    /// Checks the result.
    ///
    /// # Panics
    /// Where the result is wrong, or there is none.
    fn check(self: Box<Self>);
}

struct Once<I, O> {
    run: fn(I) -> O,
    check: fn(O),
    state: State<I, O>,
}

enum State<I, O> {
    Ready(I),
    Running,
    Done(O),
}

impl<I, O> Pass for Once<I, O> {
    fn run(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Running) {
            State::Ready(input) => State::Done((self.run)(input)),
            done => done,
        };
    }

    fn check(self: Box<Self>) {
        match self.state {
            State::Done(output) => (self.check)(output),
            State::Ready(_) | State::Running => panic!("the workload was not run"),
        }
    }
}
