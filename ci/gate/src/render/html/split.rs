//! Where a benchmark's instructions go, as one bar. All sizes are attributes, since the page allows no
//! style but its own.

use maud::{Markup, html};

use crate::report::detail::Share;

/// A cost split as one bar.
pub(super) fn bar(shares: &[Share]) -> Markup {
    let total: u64 = shares.iter().map(|it| it.instructions).sum();
    let part = |instructions: u64| {
        let scaled = u128::from(instructions) * 10_000 / u128::from(total.max(1));
        u64::try_from(scaled).unwrap_or(10_000)
    };
    let mut left = 0;
    html! {
        svg class="split" role="img" aria-label="cost split, as listed below"
            viewBox="0 0 10000 10" preserveAspectRatio="none" width="100%" height="18" {
            @for (index, share) in shares.iter().enumerate() {
                @let from = left;
                @let wide = part(share.instructions);
                rect class=(colour(index, share)) x=(from) y="0" width=(wide) height="10" {}
                ({ left += wide; "" })
            }
        }
    }
}

/// The class that gives a part its colour.
pub(super) fn colour(index: usize, share: &Share) -> String {
    match share.name {
        Some(_) => format!("part{}", index % 8),
        None => "rest".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_bar_fill_it() {
        let share = |name: Option<&str>, instructions| Share {
            name: name.map(str::to_owned),
            instructions,
        };
        let drawn = bar(&[share(Some("f"), 3), share(None, 1)]).into_string();
        assert!(
            drawn.contains(r#"class="part0" x="0" y="0" width="7500""#),
            "{drawn}"
        );
        assert!(
            drawn.contains(r#"class="rest" x="7500" y="0" width="2500""#),
            "{drawn}"
        );
    }
}
