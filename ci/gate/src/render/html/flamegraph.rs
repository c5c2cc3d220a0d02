//! Differential flamegraphs: inferno draws them, we take the frames out of its picture.
//!
//! What inferno writes is a document of its own, with a style, a script and ids that a page of
//! many cannot repeat. The frames alone are static: a group each, with a title, a rectangle and a
//! text. Everything in them is escaped by its writer.

use inferno::flamegraph::{Direction, Options, from_lines};

use crate::model::escape::escaped;
use crate::report::detail::Stack;

/// Width for which names are cut to fit; the page's script cuts them again.
const WIDTH: usize = 1_000;
/// At most this many stacks; what is beyond is too narrow to be seen.
const STACKS_MAX: usize = 400;
const FRAME_HEIGHT: usize = 18;
/// What is narrower is not drawn, in percent of the width.
const MIN_WIDTH: f64 = 0.1;
/// What inferno leaves free above the frames of an inverted graph with its default font.
const ABOVE: usize = 12 * 4 + 4;

/// The frames of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flamegraph {
    /// SVG groups, in percent of the width.
    pub(super) frames: String,
    /// Where the frames begin.
    pub(super) top: usize,
    /// How high they are.
    pub(super) height: usize,
}

/// Draws where `benchmark` spends head's instructions, coloured by the difference from base;
/// `None` if there is nothing to draw.
pub(super) fn draw(benchmark: &str, stacks: &[Stack]) -> Option<Flamegraph> {
    let root = frame(benchmark);
    let lines: Vec<String> = stacks
        .iter()
        .take(STACKS_MAX)
        .filter(|stack| stack.base > 0 || stack.head > 0)
        .map(|stack| {
            let frames: Vec<String> = stack.frames.iter().map(|it| frame(it)).collect();
            format!("{root};{} {} {}", frames.join(";"), stack.base, stack.head)
        })
        .collect();
    if stacks.iter().all(|stack| stack.head == 0) {
        return None;
    }
    let mut options = Options::default();
    options.direction = Direction::Inverted;
    options.image_width = Some(WIDTH);
    options.frame_height = FRAME_HEIGHT;
    options.min_width = MIN_WIDTH;
    "instructions".clone_into(&mut options.count_name);
    options.no_javascript = true;
    let mut picture = Vec::new();
    from_lines(&mut options, lines.iter().map(String::as_str), &mut picture).ok()?;
    let picture = String::from_utf8(picture).ok()?;
    let (_, frames) = picture.split_once("<svg id=\"frames\"")?;
    let (_, frames) = frames.split_once('>')?;
    let (frames, _) = frames.split_once("</svg>")?;
    // Inferno's own attributes, which only its script would read; ours reads widths.
    let frames = frames
        .replace(" fg:x=\"", " data-x=\"")
        .replace(" fg:w=\"", " data-w=\"");
    // Rectangles begin at whole numbers, texts between them.
    let tops = frames.split(" y=\"").skip(1);
    let tops = tops.filter_map(|it| it.split('"').next()?.parse::<usize>().ok());
    let lowest = tops.max()?;
    Some(Flamegraph {
        frames,
        top: ABOVE,
        height: lowest + FRAME_HEIGHT - ABOVE,
    })
}

/// A name as a frame: what separates frames, or ends a line, cannot stand in it.
fn frame(name: &str) -> String {
    let name = escaped(name).replace(';', ",");
    match name.trim() {
        "" => "?".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(frames: &[&str], base: u64, head: u64) -> Stack {
        Stack {
            frames: frames.iter().map(|&it| it.to_owned()).collect(),
            base,
            head,
        }
    }

    #[test]
    fn growth_is_red_and_savings_are_blue() {
        let stacks = [
            stack(&["src/f.rs", "grew"], 100, 200),
            stack(&["src/f.rs", "shrank"], 200, 100),
            stack(&["src/f.rs", "stayed"], 100, 100),
            stack(&["src/f.rs", "vanished"], 100, 0),
        ];
        let drawn = draw("a/b/c", &stacks).unwrap();
        let colour = |name: &str| {
            let frame = drawn
                .frames
                .split("<g>")
                .find(|it| it.contains(name))
                .unwrap();
            frame
                .split("fill=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .to_owned()
        };
        assert_eq!(colour("grew (200"), "rgb(255,100,100)");
        assert_eq!(colour("shrank (100"), "rgb(100,100,255)");
        assert_eq!(colour("stayed (100"), "rgb(250,250,250)");
        assert!(!drawn.frames.contains("vanished"), "it has no width");
        assert!(
            drawn
                .frames
                .contains("grew (200 instructions, 50.00%; +25.00%)")
        );
    }

    #[test]
    fn a_picture_is_as_high_as_what_is_drawn() {
        let deep = |cost| [stack(&["f", "g", "h"], 0, cost), stack(&["f"], 0, 100_000)];
        let rows = |stacks: &[Stack]| draw("a/b/c", stacks).unwrap().height / FRAME_HEIGHT;
        // Beside all of it, and the benchmark.
        assert_eq!(rows(&deep(1_000)), 5);
        assert_eq!(rows(&deep(1)), 3, "too narrow to be drawn");
    }

    #[test]
    fn a_name_cannot_leave_its_frame() {
        let hostile = "a;b\n<script>alert(1)</script>\"x='y' </svg> 5 6";
        let drawn = draw(hostile, &[stack(&[hostile, " "], 1, 2)]).unwrap();
        for bad in ["<script", "</svg>", "\n"] {
            assert!(!drawn.frames.contains(bad), "{bad} in {}", drawn.frames);
        }
        assert_eq!(drawn.frames.matches("<g>").count(), 4, "{}", drawn.frames);
        assert!(drawn.frames.contains("<title>? (2 "));
    }

    #[test]
    fn what_costs_nothing_is_not_drawn() {
        assert_eq!(draw("a/b/c", &[]), None);
        assert_eq!(draw("a/b/c", &[stack(&["f"], 5, 0)]), None);
    }
}
