use std::hint::black_box;

#[link(name = "square", kind = "dylib")]
unsafe extern "C" {
    safe fn square(number: u32) -> u32;
}

#[unsafe(no_mangle)]
#[inline(never)]
fn counted_work() {
    for number in 0..1000 {
        black_box(square(number));
    }
}

fn main() {
    older::main("0.15.2", counted_work);
}
