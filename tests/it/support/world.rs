//! A node with its REST interface, and how it is backed up.

use crate::support::node::Node;
use crate::support::now_ms;
use crate::support::rest::{ROOT, Rest, Version};
use segvault::source;
use segvault::source::live::{LiveOptions, LiveSource};
use segvault::source::server::path_map::PathMap;
use segvault::source::server::secret::Credentials;
use segvault::source::server::{ServerOptions, Surroundings};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const TOKEN: &str = "app-token-0123456789abcdef";
pub const VERSIONS: [Version; 2] = [Version::Se46, Version::Core2023];

/// A node with its REST interface.
pub struct World {
    pub node: Arc<Mutex<Node>>,
    pub rest: Rest,
}

impl World {
    pub fn of(version: Version, node: Node, token: Option<&str>, stir: usize) -> Self {
        let node = Arc::new(Mutex::new(node));
        let rest = Rest::start(version, Arc::clone(&node), token, stir);
        Self { node, rest }
    }

    /// A node with one context that wrote a little and stands still.
    pub fn quiet(version: Version) -> Self {
        let mut node = Node::new(&["default"], 7);
        node.transforms = version == Version::Core2023;
        node.steps(300);
        node.settle();
        Self::of(version, node, None, 0)
    }

    pub fn root(&self) -> PathBuf {
        self.node.lock().unwrap().root.path().to_path_buf()
    }

    pub fn options(&self) -> LiveOptions {
        LiveOptions {
            server: ServerOptions {
                address: self.rest.address.clone(),
                credentials: Credentials::None,
                ca_cert: None,
                insecure: false,
                timeout: Duration::from_secs(20),
            },
            data_dir: Some(self.root()),
            path_map: PathMap::parse(&[format!("{ROOT}={}", self.root().display())]).unwrap(),
            contexts: Vec::new(),
            excluded: Vec::new(),
            no_control_db: None,
            remove_control_db_zip: false,
            no_mmap: false,
        }
    }

    /// The world goes on while somebody waits.
    pub fn surroundings(&self) -> Surroundings {
        let node = Arc::clone(&self.node);
        Surroundings {
            now_ms: Arc::new(now_ms),
            pause: Arc::new(move |_| {
                let mut node = node.lock().unwrap();
                if node.random.bool() && !node.captures.is_empty() {
                    node.steps(3);
                }
            }),
            stopped: Arc::new(|| false),
        }
    }

    pub fn source(&self) -> LiveSource {
        LiveSource::open(self.options(), still()).unwrap()
    }

    pub fn with(&self, change: impl FnOnce(&mut LiveOptions)) -> Result<LiveSource, source::Error> {
        let mut options = self.options();
        change(&mut options);
        LiveSource::open(options, still())
    }
}

/// Nobody waits, nothing happens.
pub fn still() -> Surroundings {
    Surroundings { now_ms: Arc::new(now_ms), pause: Arc::new(|_| {}), stopped: Arc::new(|| false) }
}
