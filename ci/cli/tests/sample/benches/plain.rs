fn main() {
    unreachable!("a bench without the harness is never run");
}
