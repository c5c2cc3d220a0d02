fn main() {
    let number: u32 = "not a number";
}
