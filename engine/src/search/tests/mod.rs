//! Tests of search as a whole: against a scan of everything, over histories, crashes and threads.

mod histories;
mod injected_bugs;
mod limits;
mod runs;
mod scan;
mod visible;
mod world;
