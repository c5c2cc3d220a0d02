//! What was published, and where people see it.

use crate::github::Published;
use crate::io::output;

/// Says what became of something, and gives its address if it looks like one.
pub(super) fn announce(what: &str, published: Published) -> Option<String> {
    let plain = |url: &String| url.starts_with("http") && !url.contains(char::is_control);
    let url = published.url.filter(plain);
    match (published.overtaken, &url) {
        (true, _) => output::say(format_args!("{what}: a newer run has already updated it")),
        (false, Some(url)) => output::say(format_args!("{what}: {url}")),
        (false, None) => output::say(format_args!("{what}: none")),
    }
    url
}
