//! Live servers: from what was typed (and the token in the environment) to a source; and the verb `check-server`.

use crate::cli::args::Backup;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render;
use crate::cli::run::Run;
use crate::cli::server_args::{CheckServer, ServerArgs, TOKEN_VARIABLE};
use crate::cli::when;
use crate::engine;
use crate::engine::check_server::{Check, CheckOptions, State, check_server};
use crate::source;
use crate::source::live::{LiveOptions, LiveSource};
use crate::source::server::path_map::PathMap;
use crate::source::server::secret::{Credentials, Secret};
use crate::source::server::{ServerOptions, Surroundings};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

/// A pause ends so soon after a signal.
const LISTEN_EVERY: Duration = Duration::from_millis(50);

const SHOWN: &str = "the token or password travels unencrypted to another machine: give the server a certificate, and ask it with https";
static WARNED: Once = Once::new();

impl Run<'_> {
    /// The live server that was named.
    pub(super) fn live(&self, asked: &Backup) -> Result<LiveSource, Failure> {
        let no_control_db = match (asked.no_control_db, self.global.dry_run) {
            (true, _) => Some("left out with --no-control-db".to_owned()),
            (false, true) => Some("a dry run asks the server for none".to_owned()),
            (false, false) => None,
        };
        let options = LiveOptions {
            server: server_options(&asked.server)?,
            data_dir: asked.data_dir.clone(),
            path_map: PathMap::parse(&asked.server.path_map).map_err(source::Error::from)?,
            contexts: asked.contexts.clone(),
            excluded: asked.excluded.clone(),
            no_control_db,
            remove_control_db_zip: asked.server.remove_control_db_zip,
            no_mmap: asked.no_mmap,
        };
        if options.server.shows_secrets() {
            // Once, and before anything is sent; a watch asks again and again.
            WARNED.call_once(|| self.screen.warning(SHOWN));
        }
        Ok(LiveSource::open(options, self.surroundings())?)
    }

    /// Tries everything that a backup needs.
    pub(super) fn check_server(&self, asked: &CheckServer) -> Result<Exit, Failure> {
        let live = LiveOptions {
            server: server_options(&asked.server)?,
            data_dir: asked.data_dir.clone(),
            path_map: PathMap::parse(&asked.server.path_map).map_err(source::Error::from)?,
            contexts: asked.contexts.clone(),
            excluded: asked.excluded.clone(),
            no_control_db: asked.no_control_db.then(|| "left out with --no-control-db".to_owned()),
            remove_control_db_zip: asked.server.remove_control_db_zip,
            no_mmap: false,
        };
        let options = CheckOptions { live, space_at: self.space_at() };
        let checks = check_server(&options, self.surroundings());
        if self.signals.came() {
            return Err(engine::Error::Interrupted.into());
        }
        let checks: Vec<_> = checks.into_iter().map(render::check_server::advised).collect();
        let document = serde_json::json!({ "checks": checks });
        self.screen.result("check-server", &document, || render::check_server::text(&checks))?;
        Ok(exit(&checks))
    }

    /// The repository, or the nearest directory above it that is there.
    fn space_at(&self) -> PathBuf {
        let named = self.global.repository.as_deref().filter(|path| !path.as_os_str().is_empty());
        let above = named.unwrap_or(Path::new(".")).ancestors().find(|path| path.is_dir());
        above.unwrap_or(Path::new(".")).to_path_buf()
    }

    fn surroundings(&self) -> Surroundings {
        let signals = self.signals.clone();
        let pause = move |pause: Duration| {
            let end = Instant::now() + pause;
            while Instant::now() < end && !signals.came() {
                std::thread::sleep(LISTEN_EVERY.min(pause));
            }
        };
        let signals = self.signals.clone();
        Surroundings {
            now_ms: Arc::new(|| when::now().0),
            pause: Arc::new(pause),
            stopped: Arc::new(move || signals.came()),
        }
    }
}

/// As a backup would end: with the first failure, or with warnings.
fn exit(checks: &[Check]) -> Exit {
    if let Some(failed) = checks.iter().find(|check| check.state == State::Fail) {
        return failed.error.as_ref().map_or(Exit::Server, Exit::from);
    }
    let warns = checks.iter().any(|check| check.state == State::Warn);
    if warns { Exit::Incomplete } else { Exit::Done }
}

fn server_options(asked: &ServerArgs) -> Result<ServerOptions, Failure> {
    let Some(address) = &asked.server else {
        let message = "no server was named".to_owned();
        return Err(Failure::Usage { message, hint: "name it with --server http://node:8024" });
    };
    Ok(ServerOptions {
        address: address.clone(),
        credentials: credentials(asked).map_err(source::Error::from)?,
        ca_cert: asked.ca_cert.clone(),
        insecure: asked.insecure,
        timeout: asked.timeout.max(Duration::from_secs(1)),
    })
}

/// A file that was named counts before the environment.
fn credentials(asked: &ServerArgs) -> Result<Credentials, source::server::Error> {
    if let Some(path) = &asked.token_file {
        return Ok(Credentials::Token(Secret::read(path)?));
    }
    if let (Some(name), Some(path)) = (&asked.user, &asked.password_file) {
        return Ok(Credentials::User { name: name.clone(), password: Secret::read(path)? });
    }
    match std::env::var_os(TOKEN_VARIABLE) {
        Some(token) if !token.is_empty() => {
            // What is no text is no token: `Secret` refuses it, without showing it.
            Ok(Credentials::Token(Secret::new(token.to_str().unwrap_or("\0"))?))
        }
        _ => Ok(Credentials::None),
    }
}
