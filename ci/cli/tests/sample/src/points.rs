//! Data whose layout decides what a cache misses, and not how many instructions read it.

/// Coordinates, each beside what nobody asks for here.
pub struct Points {
    points: Vec<Point>,
}

/// A place; as large as a cache's line holds two of.
#[derive(Clone, Copy)]
pub struct Point {
    x: u64,
    _rest: [u64; 3],
}

impl Points {
    pub fn new(count: u64) -> Self {
        let point = |x| Point { x, _rest: [x; 3] };
        Self { points: (0..count).map(point).collect() }
    }
}

/// Adds up one coordinate of all points.
#[inline(never)]
pub fn far_apart(points: &Points) -> u64 {
    let mut sum = 0_u64;
    for point in &points.points {
        sum = std::hint::black_box(sum).wrapping_add(point.x);
    }
    sum
}
