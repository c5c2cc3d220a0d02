//! The declaration of a suite: written once, read by the catalogue and by both harnesses.
//!
//! ```text
//! suite! { … } ──┬─► workloads()    catalogue, its checks, and criterion (wall_time/main.rs)
//!                └─► <suite>!()     iai-callgrind (instructions/<suite>.rs)
//! ```
//!
//! # Adding a workload
//! 1. Write its setup, run and check in the suite's module, public, each with a line of
//!    documentation. A run takes and returns everything it works on.
//! 2. Add a line to the suite's `suite!`: a case to an existing subject, or a new subject:
//!
//!    ```text
//!    subject: run(Input) {
//!        case: setup(64) => check,
//!    }
//!    ```
//!
//!    Its id is `suite/subject/case`. What the line names must be reachable as `benches::suite::…`:
//!    a suite of several files exports them from its root.
//! 3. `cargo test -p benches` runs it once and checks its result.
//! 4. `make update-baseline` records its baseline.
//!
//! A new suite also needs `instructions/<suite>.rs` with `benches::<suite>!();`, a `[[bench]]` in
//! `Cargo.toml`, and its line in [`catalogue`](crate::catalogue).

/// Declares the workloads of a suite, in the suite's own module. See the [module](self).
macro_rules! suite {
    ($suite:ident $subjects:tt) => {
        /// The workloads of this suite, in the order of their declaration.
        #[must_use]
        pub fn workloads() -> Vec<$crate::workload::Workload> {
            $crate::suite::list!($suite $subjects)
        }

        /// The counted harness of this suite: the whole of its executable.
        #[macro_export]
        macro_rules! $suite {
            () => {
                $crate::counted!($suite $subjects);
            };
        }
    };
}

/// The workloads of a suite as an expression.
macro_rules! list {
    ($suite:ident { $($subject:ident: $run:ident($input:ty) {
        $($case:ident: $setup:expr => $check:ident),+ $(,)?
    })+ }) => {
        vec![$($(
            $crate::workload::Workload::new::<$input, $input>(
                concat!(stringify!($suite), "/", stringify!($subject), "/", stringify!($case)),
                || $setup,
                $run,
                $check,
            ),
        )+)+]
    };
}

pub(crate) use {list, suite};

/// The executable that counts a suite: iai-callgrind's wrappers, group and `main`.
///
/// Called through `<suite>!()`. The wrappers are named for the subject and the case, because
/// iai-callgrind makes the id of these names.
#[doc(hidden)]
#[macro_export]
macro_rules! counted {
    ($suite:ident { $($subject:ident: $run:ident($input:ty) {
        $($case:ident: $setup:expr => $check:ident),+ $(,)?
    })+ }) => {
        use $crate::$suite::*;

        $(
            #[::iai_callgrind::library_benchmark]
            $(#[bench::$case(
                args = ($crate::heap::levelled(|| $setup)),
                teardown = $crate::$suite::$check
            )])+
            fn $subject(input: $input) -> $input {
                $crate::$suite::$run(input)
            }
        )+

        ::iai_callgrind::library_benchmark_group!(
            name = $suite;
            benchmarks = $($subject),+
        );
        ::iai_callgrind::main!(library_benchmark_groups = $suite);
    };
}
