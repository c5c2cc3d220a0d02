use std::hint::black_box;

#[unsafe(no_mangle)]
#[inline(never)]
fn counted_work() {
    for number in 0..1000 {
        black_box(number);
    }
}

fn main() {
    older::main("0.15.2", counted_work);
}
