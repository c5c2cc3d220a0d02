//! The fake by itself: `github-fake PORT WORLD.json`. Serves until `POST /_stop`; `GET /_world`
//! shows what it knows.

use github_fake::{Fake, World};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().and_then(|it| it.parse().ok());
    let port = port.expect("usage: github-fake PORT WORLD.json");
    let path = arguments
        .next()
        .expect("usage: github-fake PORT WORLD.json");
    let text = std::fs::read_to_string(&path).expect("the world can be read");
    let world: World = serde_json::from_str(&text).expect("the world is one");
    let fake = Fake::start_at(world, port);
    println!("{}", fake.url());
    fake.join();
}
