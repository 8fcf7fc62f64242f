//! A server to try the program on by hand:
//!
//! `SEGVAULT_SERVE=core-2023.2.1-xml cargo test --test it serve -- --ignored --nocapture`
//!
//! serves the real data of that name (or a made-up node at work if it is `node`, one of a cluster if it is `cluster`) until the file `stop` appears in its root, and says
//! where. `SEGVAULT_SERVE_TOKEN` switches access control on. A file `lie` in the root makes it lie: one line, a part of the paths that are
//! answered so, and how (`status 503`, `html`, `json`, `redirect`, `large`, `endless`, `text ...`).

use crate::support::node::Node;
use crate::support::rest::{Asked, Body, Reply, Version};
use crate::support::world::World;
use std::fs;
use std::path::Path;
use std::time::Duration;

fn node_of(name: &str) -> Node {
    if !is_made_up(name) {
        return Node::of_fixture(name);
    }
    let mut node = Node::new(&["default", "other"], 1);
    node.steps(500);
    if name == "cluster" {
        node.join("default", &[("00000000000000000001.log", b"one"), ("00000000000000000901.log", b"two")]);
        node.join("_admin", &[("00000000000000000001.log", b"of the cluster itself")]);
    }
    node
}

fn is_made_up(name: &str) -> bool {
    matches!(name, "node" | "cluster")
}

fn lie_of(how: &str, truth: Reply) -> Reply {
    match how.split_once(' ').unwrap_or((how, "")) {
        ("status", status) => Reply::bare(status.parse().unwrap(), ""),
        ("html", _) => Reply::new(200, "text/html", "<html><body>Please log in</body></html>"),
        ("json", _) => Reply::json("{\"answer\":42}"),
        ("redirect", _) => Reply::bare(302, "").with("Location", "/login"),
        ("large", _) => truth.body(Body::Repeated(b'x', 100 << 20, 0)),
        ("endless", _) => truth.body(Body::Repeated(b'x', usize::MAX, 20)),
        ("text", text) => Reply::new(200, "text/plain", text),
        _ => truth,
    }
}

fn told(root: &Path, asked: &Asked, truth: Reply) -> Reply {
    let line = fs::read_to_string(root.join("lie")).unwrap_or_default();
    match line.trim().split_once(' ') {
        Some((path, how)) if asked.path.contains(path) => lie_of(how, truth),
        _ => truth,
    }
}

#[test]
#[ignore = "serves until it is told to stop: for trying the program by hand"]
fn for_a_while() {
    let name = std::env::var("SEGVAULT_SERVE").unwrap_or_else(|_| "node".to_owned());
    let token = std::env::var("SEGVAULT_SERVE_TOKEN").ok();
    let version = if name.starts_with("se-4.6") { Version::Se46 } else { Version::Core2023 };
    let is_at_work = is_made_up(&name);
    let world = World::of(version, node_of(&name), token.as_deref(), usize::from(is_at_work) * 3);
    let root = world.root();
    println!("{} {}", world.rest.address, root.display());
    let place = root.clone();
    world.rest.lie(move |asked, truth| told(&place, asked, truth));
    while !root.join("stop").exists() {
        std::thread::sleep(Duration::from_millis(200));
    }
}
