//! The REST interface of a node, as it was recorded: the same answers, made from the state of a directory. It can be told to lie.

use crate::support::node::{Node, index_suffixes};
use segvault::axon::name::{SegmentName, Store};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// Which server it is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Se46,
    Core2023,
}

impl Version {
    pub fn name(self) -> &'static str {
        match self {
            Self::Se46 => "4.6.11",
            Self::Core2023 => "2023.2.1",
        }
    }
}

/// The server's own root, as it names it.
pub const ROOT: &str = "/axonserver";

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }
}

/// What an answer holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Text(String),
    /// This letter, so many times (`usize::MAX`: without end), so many milliseconds apart.
    Repeated(u8, usize, u64),
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Body,
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: impl Into<String>) -> Self {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self { status, headers, body: Body::Text(body.into()) }
    }

    pub fn json(body: impl Into<String>) -> Self {
        Self::new(200, "application/json", body)
    }

    /// Without a content type.
    pub fn bare(status: u16, body: &str) -> Self {
        Self { headers: Vec::new(), ..Self::new(status, "", body) }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(self, body: Body) -> Self {
        Self { body, ..self }
    }

    pub fn text(&self) -> String {
        match &self.body {
            Body::Text(text) => text.clone(),
            _ => String::new(),
        }
    }
}

/// Changes an answer.
pub type Lie = Box<dyn FnMut(&Asked, Reply) -> Reply + Send>;

struct State {
    version: Version,
    node: Arc<Mutex<Node>>,
    token: Option<String>,
    /// Steps that the node takes while a request is answered.
    stir: usize,
    lie: Mutex<Option<Lie>>,
    asked: Mutex<Vec<Asked>>,
}

/// A server that listens.
pub struct Rest {
    pub address: String,
    state: Arc<State>,
    http: Arc<tiny_http::Server>,
    thread: Option<JoinHandle<()>>,
}

impl Rest {
    /// Begins to listen. `token` switches access control on.
    pub fn start(version: Version, node: Arc<Mutex<Node>>, token: Option<&str>, stir: usize) -> Self {
        let http = Arc::new(tiny_http::Server::http("127.0.0.1:0").unwrap());
        let address = format!("http://{}", http.server_addr().to_ip().unwrap());
        let token = token.map(str::to_owned);
        let state =
            Arc::new(State { version, node, token, stir, lie: Mutex::new(None), asked: Mutex::default() });
        let thread = std::thread::spawn({
            let (http, state) = (Arc::clone(&http), Arc::clone(&state));
            move || http.incoming_requests().for_each(|request| state.respond(request))
        });
        Self { address, state, http, thread: Some(thread) }
    }

    /// From now on answers are changed.
    pub fn lie(&self, lie: impl FnMut(&Asked, Reply) -> Reply + Send + 'static) {
        *self.state.lie.lock().unwrap() = Some(Box::new(lie));
    }

    pub fn tell_the_truth(&self) {
        *self.state.lie.lock().unwrap() = None;
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// The answer to a request, without a network.
    pub fn answer(&self, method: &str, url: &str) -> Reply {
        self.state.answer(&parse(method, url, Vec::new()))
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.http.unblock();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn parse(method: &str, url: &str, headers: Vec<(String, String)>) -> Asked {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = pairs.map(|(key, value)| (key.to_owned(), value.replace('+', " "))).collect();
    Asked { method: method.to_owned(), path: path.to_owned(), query, headers }
}

impl State {
    fn respond(&self, request: tiny_http::Request) {
        let headers = request.headers().iter();
        let headers = headers.map(|h| (h.field.to_string(), h.value.to_string())).collect();
        let asked = parse(&request.method().to_string(), request.url(), headers);
        self.asked.lock().unwrap().push(asked.clone());
        let mut reply = self.answer(&asked);
        if let Some(lie) = self.lie.lock().unwrap().as_mut() {
            reply = lie(&asked, reply);
        }
        send(request, reply);
    }

    fn node(&self) -> MutexGuard<'_, Node> {
        self.node.lock().unwrap_or_else(|held| held.into_inner())
    }

    /// The world does not stand still while a request is answered.
    fn stir(&self) {
        if self.stir > 0 {
            let mut node = self.node();
            let count = node.random.usize(0..=self.stir);
            node.steps(count);
        }
    }

    fn answer(&self, asked: &Asked) -> Reply {
        self.stir();
        if let Some(token) = &self.token {
            match asked.header("AxonIQ-Access-Token") {
                Some(given) if given != token => return Reply::bare(403, "Invalid token\r\n"),
                None if asked.path.starts_with("/v1/") => return self.error(401, "Unauthorized", asked),
                _ => {}
            }
        }
        match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/v1/backup/eventstore") => self.eventstore(asked),
            ("GET", "/v1/backup/filenames") => self.filenames(asked),
            ("GET", "/v1/public/me") => self.me(),
            ("GET", "/v1/public/license") => Reply::json(
                r#"{"expiryDate":null,"edition":"Standard Edition","licensee":null,"featureList":[]}"#,
            ),
            ("GET", "/actuator/info") => actuator(format!(
                r#"{{"app":{{"name":"Axon Server","description":"AxonIQ","version":"{}"}}}}"#,
                self.version.name()
            )),
            ("GET", "/actuator/health") => self.health(),
            ("POST", "/createControlDbBackup") => {
                let name = self.node().write_zip();
                self.stir();
                Reply::new(200, "text/plain;charset=UTF-8", format!("{ROOT}/./backups/{name}"))
            }
            ("GET", "/v1/backup/log/filenames") if !self.node().groups.is_empty() => self.log_files(asked),
            ("GET", "/v1/public/context") if !self.node().groups.is_empty() => self.contexts(),
            _ => self.error(404, "Not Found", asked),
        }
    }

    /// The files of a replication log: as the documents say, nobody has recorded it.
    fn log_files(&self, asked: &Asked) -> Reply {
        let group = asked.parameter("context").unwrap_or("default").to_owned();
        let names = self.node().groups.get(&group).cloned().unwrap_or_default();
        let paths: Vec<String> = names.iter().map(|name| format!("{ROOT}/./log/{group}/{name}")).collect();
        Reply::json(serde_json::to_string(&paths).unwrap())
    }

    /// All contexts are in the group that is named like the first of them, led by another node.
    fn contexts(&self) -> Reply {
        let names = self.node().contexts();
        let contexts: Vec<String> = names
            .iter()
            .map(|name| {
                let group = &names[0];
                format!(
                    r#"{{"context":"{name}","replicationGroup":"{group}","metaData":{{}},"changePending":false,"leader":"node-2","roles":[{{"node":"localhost","role":"PRIMARY"}}]}}"#
                )
            })
            .collect();
        Reply::json(format!("[{}]", contexts.join(",")))
    }

    fn error(&self, status: u16, words: &str, asked: &Asked) -> Reply {
        let version = self.version.name();
        let body = format!(
            r#"{{"timestamp":1795382410138,"status":{status},"error":"{words}","path":"{}","asVersion":"{version}","product":"Axon Server"}}"#,
            asked.path
        );
        Reply::new(status, "application/json", body)
    }

    fn internal_error(&self, asked: &Asked) -> Reply {
        let reply = self.error(500, "Internal Server Error", asked);
        Reply::new(500, "application/json;charset=UTF-8", reply.text())
    }

    fn me(&self) -> Reply {
        let names = serde_json::to_string(&self.node().contexts()).unwrap();
        let (access, clustered) = (self.token.is_some(), !self.node().groups.is_empty());
        let (initialized, ports) = match self.version {
            Version::Se46 => {
                ("", r#""internalHostName":null,"grpcInternalPort":0,"grpcPort":8220,"httpPort":8120"#)
            }
            Version::Core2023 => (
                r#""initialized":true,"#,
                r#""grpcPort":8226,"httpPort":8126,"internalHostName":null,"grpcInternalPort":0"#,
            ),
        };
        Reply::json(format!(
            r#"{{"authentication":{access},"clustered":{clustered},"ssl":false,"adminNode":true,"developmentMode":false,"storageContextNames":{names},"contextNames":{names},"pluginsEnabled":true,{initialized}"name":"localhost","hostName":"localhost",{ports}}}"#
        ))
    }

    fn health(&self) -> Reply {
        let node = self.node();
        let number = |head: Option<u64>| head.map_or(-1, |head| head as i64);
        let details: Vec<String> = node
            .contexts()
            .iter()
            .map(|name| {
                let (events, snapshots) = (node.store(name, Store::Events).head(), node.store(name, Store::Snapshots).head());
                format!(
                    r#""{name}.lastEvent":{},"{name}.lastSnapshot":{},"{name}.waitingEventTransactions":0,"{name}.waitingSnapshotTransactions":0"#,
                    number(events),
                    number(snapshots)
                )
            })
            .collect();
        actuator(format!(
            r#"{{"status":"UP","components":{{"command":{{"status":"UP"}},"localEventStore":{{"status":"UP","details":{{{}}}}}}}}}"#,
            details.join(",")
        ))
    }

    fn eventstore(&self, asked: &Asked) -> Reply {
        let context = asked.parameter("targetContext").unwrap_or("default").to_owned();
        let store = match asked.parameter("type") {
            Some("EVENT") => Store::Events,
            Some("SNAPSHOT") => Store::Snapshots,
            Some(_) => return self.internal_error(asked),
            None => return self.error(400, "Bad Request", asked),
        };
        if !self.node().stores.contains_key(&(context.clone(), store)) {
            let body = format!("[AXONIQ-6000] Missing worker for context: {context}");
            return Reply::new(503, "text/plain;charset=UTF-8", body).with("AxonIQ-ErrorCode", "AXONIQ-6000");
        }
        // The number is read first, the listing after it.
        let last =
            self.node().store(&context, store).closed().last().map_or(-1, |name| name.number.get() as i64);
        self.stir();
        let files = match self.version {
            Version::Se46 => {
                let node = self.node();
                let live = node.store(&context, store);
                [open_files(live.active(), &context, store), closed_46(live.closed(), &context, store)]
                    .concat()
            }
            Version::Core2023 => {
                // The closed ones are a set that is made at once, the open ones a stream that is read later.
                let closed = closed_2023(self.node().store(&context, store).closed(), &context, store);
                self.stir();
                [open_files(self.node().store(&context, store).active(), &context, store), closed].concat()
            }
        };
        let files = serde_json::to_string(&files).unwrap();
        Reply::json(format!(r#"{{"lastClosedSegment":{last},"filenames":{files}}}"#))
    }

    fn filenames(&self, asked: &Asked) -> Reply {
        let context = asked.parameter("context").unwrap_or("default").to_owned();
        let kind = asked.parameter("type").unwrap_or_default();
        let kind = if self.version == Version::Core2023 { kind.to_uppercase() } else { kind.to_owned() };
        let store = match kind.as_str() {
            "EVENT" => Store::Events,
            "SNAPSHOT" => Store::Snapshots,
            "" => return self.error(400, "Bad Request", asked),
            _ => return self.internal_error(asked),
        };
        let node = self.node();
        let Some(live) = node.stores.get(&(context.clone(), store)) else { return Reply::json("[]") };
        let files = match self.version {
            Version::Se46 => closed_46(live.closed(), &context, store),
            Version::Core2023 => closed_2023(live.closed(), &context, store),
        };
        Reply::json(serde_json::to_string(&files).unwrap())
    }
}

fn actuator(body: String) -> Reply {
    Reply::new(200, "application/vnd.spring-boot.actuator.v3+json", body)
}

fn open_files(active: &[SegmentName], context: &str, store: Store) -> Vec<String> {
    active.iter().rev().map(|name| format!("{ROOT}/data/{context}/{}", name.file_name(store))).collect()
}

/// Newest first: the data files, then index and bloom of each.
fn closed_46(closed: &[SegmentName], context: &str, store: Store) -> Vec<String> {
    let data = closed.iter().rev().map(|name| format!("{ROOT}/data/{context}/{}", name.file_name(store)));
    let index = closed.iter().rev().flat_map(|name| {
        let file = name.file_name(store);
        let stem = file.split('.').next().unwrap().to_owned();
        index_suffixes(store).map(|suffix| format!("{ROOT}/data/{context}/{stem}.{suffix}"))
    });
    data.chain(index).collect()
}

/// One sorted list, in another path form.
fn closed_2023(closed: &[SegmentName], context: &str, store: Store) -> Vec<String> {
    let mut files: Vec<String> = closed
        .iter()
        .flat_map(|name| {
            let file = name.file_name(store);
            let stem = file.split('.').next().unwrap().to_owned();
            let suffixes = index_suffixes(store).map(str::to_owned).into_iter().chain([store.to_string()]);
            suffixes.map(move |suffix| format!("{ROOT}/./data/{context}/{stem}.{suffix}")).collect::<Vec<_>>()
        })
        .collect();
    files.sort();
    files
}

/// A letter again and again.
struct Repeated {
    letter: u8,
    left: usize,
}

impl Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(self.left);
        buffer[..count].fill(self.letter);
        if self.left < usize::MAX {
            self.left -= count;
        }
        Ok(count)
    }
}

/// A letter now and then, until nobody listens any more.
fn drip(mut writer: Box<dyn Write + Send>, letter: u8, apart: u64) -> std::io::Result<()> {
    writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")?;
    loop {
        writer.write_all(&[letter])?;
        writer.flush()?;
        std::thread::sleep(std::time::Duration::from_millis(apart));
    }
}

fn send(request: tiny_http::Request, reply: Reply) {
    let headers = reply
        .headers
        .iter()
        .map(|(name, value)| tiny_http::Header::from_bytes(name.as_bytes(), value.as_bytes()).unwrap())
        .collect();
    let status = tiny_http::StatusCode(reply.status);
    // Whoever asked may be gone: that is what some of the tests are about.
    let _ = match reply.body {
        Body::Text(text) => {
            let length = Some(text.len());
            request.respond(tiny_http::Response::new(
                status,
                headers,
                std::io::Cursor::new(text.into_bytes()),
                length,
                None,
            ))
        }
        Body::Repeated(letter, _, apart) if apart > 0 => drip(request.into_writer(), letter, apart),
        Body::Repeated(letter, left, _) => {
            let body = Repeated { letter, left };
            request.respond(tiny_http::Response::new(status, headers, body, None, None))
        }
    };
}
