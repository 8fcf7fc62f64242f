//! A live server as a source: servers that answer as the recorded ones do, a node that writes while it is read, and servers that lie.

use crate::support::fixtures;
use crate::support::node::Node;
use crate::support::now_ms;
use crate::support::rest::{Body, ROOT, Reply, Version};
use crate::support::world::{TOKEN, VERSIONS, World};
use segvault::axon::name::Store;
use segvault::source;
use segvault::source::Source;
use segvault::source::listing::{ControlDbCapture, Listing};
use segvault::source::live::{LiveOptions, LiveSource};
use segvault::source::server::path_map::PathMap;
use segvault::source::server::secret::{Credentials, Secret};
use segvault::source::server::{Error, Surroundings};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

fn server_error(error: source::Error) -> Error {
    match error {
        source::Error::Server(error) => error,
        other => panic!("not the server's: {other:?}"),
    }
}

/// One line, and no secret in it.
fn is_proper(error: &Error) {
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains('\n') && text.len() < 600 && !text.contains(TOKEN), "{text}");
    }
}

fn names(listing: &Listing, store: Store) -> Vec<(String, bool)> {
    let files = &listing.contexts["default"].store(store).segments;
    files.iter().map(|file| (file.name.to_string(), file.is_volatile)).collect()
}

mod the_test_s_server {
    use super::*;

    #[test]
    fn lists_as_the_recorded_ones_did() {
        let servers = [
            ("se-4.6.11-json", Version::Se46, "rest"),
            ("core-2023.2.1-xml", Version::Core2023, "rest"),
            ("core-2023.2.1-transformed", Version::Core2023, "rest-v1"),
        ];
        for (server, version, recorded) in servers {
            let world = World::of(version, Node::of_fixture(server), None, 0);
            for (path, file) in [("eventstore", "eventstore"), ("filenames", "filenames")] {
                for kind in ["EVENT", "SNAPSHOT"] {
                    let answer = world.rest.answer("GET", &format!("/v1/backup/{path}?type={kind}"));
                    let recorded = fixtures::dir(server).join(recorded).join(format!("{file}-{kind}.json"));
                    assert_eq!(
                        answer.text().trim(),
                        fs::read_to_string(recorded).unwrap().trim(),
                        "{server} {path} {kind}"
                    );
                }
            }
        }
    }

    #[test]
    fn answers_as_the_recorded_ones_did() {
        let servers = [("se-4.6.11", Version::Se46), ("core-2023.2.1", Version::Core2023)];
        for (server, version) in servers {
            let world = World::of(version, Node::new(&["default"], 1), None, 0);
            for recorded in fixtures::rest(server).as_array().unwrap() {
                let text = |key: &str| recorded[key].as_str().unwrap_or_default().to_owned();
                if text("path").starts_with("/v1/public/version") || text("path").ends_with("BackedUp=x") {
                    continue;
                }
                let answer = world.rest.answer(&text("method"), &text("path"));
                let header = |name: &str| {
                    let found = answer.headers.iter().find(|(key, _)| key == name);
                    found.map(|(_, value)| value.clone()).unwrap_or_default()
                };
                assert_eq!(
                    u64::from(answer.status),
                    recorded["status"].as_u64().unwrap(),
                    "{server} {}",
                    text("path")
                );
                assert_eq!(header("Content-Type"), text("content_type"), "{server} {}", text("path"));
                assert_eq!(
                    header("AxonIQ-ErrorCode"),
                    text("axoniq_error_code"),
                    "{server} {}",
                    text("path")
                );
            }
        }
    }
}

mod a_listing {
    use super::*;

    #[test]
    fn of_a_real_server_s_data_is_what_both_say() {
        let servers = [
            ("se-4.6.11-json", Version::Se46, 2390),
            ("core-2023.2.1-xml", Version::Core2023, 1087),
            ("core-2023.2.1-transformed", Version::Core2023, 1593),
        ];
        for (server, version, last_closed) in servers {
            let world = World::of(version, Node::of_fixture(server), None, 0);
            let by_map = |options: &mut LiveOptions| options.data_dir = None;
            for mut source in [world.source(), world.with(by_map).unwrap()] {
                let listing = source.listing().unwrap();
                let files = fixtures::files(&world.root().join("data/default"));
                let data = files
                    .iter()
                    .filter(|path| path.extension().is_some_and(|suffix| suffix == "events"))
                    .count();
                let events = &listing.contexts["default"].events.segments;
                assert_eq!(events.len(), data, "{server}: every version");
                assert!(events.iter().all(|file| file.is_volatile == (file.name.number.get() > last_closed)));
                assert_eq!(names(&listing, Store::Snapshots), [("0".to_owned(), true)]);
            }
        }
    }

    #[test]
    fn says_that_everything_above_the_last_closed_one_is_volatile() {
        let mut node = Node::new(&["default"], 3);
        node.transforms = false;
        while node.store("default", Store::Events).active().len() < 4 {
            node.step();
        }
        let (closed, active) = {
            let store = node.store("default", Store::Events);
            (store.closed().len(), store.active().len())
        };
        for version in VERSIONS {
            let mut one = Node::new(&["default"], 3);
            one.transforms = false;
            while one.store("default", Store::Events).active().len() < 4 {
                one.step();
            }
            let world = World::of(version, one, None, 0);
            let listing = world.source().listing().unwrap();
            let volatile = names(&listing, Store::Events).iter().filter(|(_, volatile)| *volatile).count();
            assert_eq!(
                (listing.contexts["default"].events.segments.len() - volatile, volatile),
                (closed, active)
            );
        }
    }

    #[test]
    fn is_asked_for_the_older_way_where_the_newer_is_unknown() {
        let world = World::quiet(Version::Se46);
        let newer = names(&world.source().listing().unwrap(), Store::Events);
        world.rest.lie(
            |asked, reply| {
                if asked.path == "/v1/backup/eventstore" { Reply::bare(404, "") } else { reply }
            },
        );
        let older = names(&world.source().listing().unwrap(), Store::Events);
        assert_eq!(older, newer);
        let asked = world.rest.asked();
        assert!(asked.iter().all(|asked| asked.query.iter().all(|(key, _)| !key.starts_with("last"))));
        let kinds = asked.iter().filter_map(|asked| asked.parameter("type"));
        assert!(kinds.into_iter().all(|kind| kind == "EVENT" || kind == "SNAPSHOT"));
    }

    #[test]
    fn finds_what_was_made_in_between() {
        for seed in 0..40 {
            let version = VERSIONS[seed as usize % 2];
            let mut node = Node::new(&["default", "other"], seed);
            node.transforms = version == Version::Core2023;
            let world = World::of(version, node, None, 60);
            let mut source = LiveSource::open(world.options(), world.surroundings()).unwrap();
            for _ in 0..5 {
                let listing = source.listing().unwrap();
                for name in ["default", "other"] {
                    let events = &listing.contexts[name].events.segments;
                    assert!(events.last().unwrap().is_volatile, "seed {seed}");
                }
            }
        }
    }

    #[test]
    fn holds_what_was_excluded_by_name_even_where_it_is_on_one_side() {
        let mut node = Node::new(&["default", "other"], 5);
        node.steps(50);
        node.settle();
        let world = World::of(Version::Core2023, node, None, 0);
        fs::remove_dir_all(world.root().join("data/other")).unwrap();
        let error = server_error(world.source().listing().unwrap_err());
        assert!(matches!(&error, Error::OneSided { context, .. } if context == "other"), "{error}");
        is_proper(&error);
        for change in [
            (|options: &mut LiveOptions| options.excluded = vec!["other".to_owned()]) as fn(&mut LiveOptions),
            |options| options.contexts = vec!["default".to_owned()],
        ] {
            let listing = world.with(change).unwrap().listing().unwrap();
            assert!(listing.contexts["other"].events.segments.is_empty());
            assert!(!listing.contexts["default"].events.segments.is_empty());
        }
    }

    #[test]
    fn misses_no_context_of_the_directory() {
        let world = World::quiet(Version::Core2023);
        let stray = world.root().join("data/stray");
        fs::create_dir(&stray).unwrap();
        fs::copy(
            world.root().join("data/default/00000000000000000000.snapshots"),
            stray.join("00000000000000000000.events"),
        )
        .unwrap();
        let error = server_error(world.source().listing().unwrap_err());
        assert!(matches!(&error, Error::OneSided { context, .. } if context == "stray"), "{error}");
    }

    #[test]
    fn misses_no_context_that_lies_beside_the_server_s_own_paths() {
        let world = World::quiet(Version::Core2023);
        let stray = world.root().join("data/stray");
        fs::create_dir(&stray).unwrap();
        fs::copy(
            world.root().join("data/default/00000000000000000000.events"),
            stray.join("00000000000000000000.events"),
        )
        .unwrap();
        let by_map = |options: &mut LiveOptions| options.data_dir = None;
        let error = server_error(world.with(by_map).unwrap().listing().unwrap_err());
        assert!(matches!(&error, Error::OneSided { context, .. } if context == "stray"), "{error}");
        let excluded = |options: &mut LiveOptions| {
            (options.data_dir, options.excluded) = (None, vec!["stray".to_owned()]);
        };
        let listing = world.with(excluded).unwrap().listing().unwrap();
        assert!(listing.contexts.contains_key("stray"), "whoever excludes it by name finds the name");
    }

    #[test]
    fn warns_of_a_version_above_all_that_the_server_lists() {
        let world = World::quiet(Version::Core2023);
        let directory = world.root().join("data/default");
        let first = directory.join("00000000000000000000.events");
        for (version, is_warning) in [("00000000000000000000_00007", true), ("", false)] {
            let mut source = world.source();
            let above = directory.join(format!("{version}.events"));
            if is_warning {
                fs::copy(&first, &above).unwrap();
            }
            source.listing().unwrap();
            let remarks = source.remarks();
            assert_eq!(
                remarks.iter().any(|remark| remark.what == "unlisted-version"),
                is_warning,
                "{remarks:?}"
            );
            assert!(remarks.iter().all(|remark| remark.is_warning == is_warning), "{remarks:?}");
            let _ = fs::remove_file(above);
        }
    }

    #[test]
    fn says_where_it_looked_when_no_path_map_fits() {
        let world = World::quiet(Version::Se46);
        let elsewhere = tempfile::tempdir().unwrap();
        for map in [Vec::new(), vec![format!("{ROOT}={}", elsewhere.path().display())]] {
            let error = world.with(|options| {
                options.data_dir = None;
                options.path_map = PathMap::parse(&map).unwrap();
            });
            let error = server_error(error.unwrap().listing().unwrap_err());
            assert!(
                matches!(&error, Error::NotHere { named, .. } if named == "/axonserver/data/default"),
                "{error}"
            );
            is_proper(&error);
        }
        let other = World::of(Version::Se46, Node::of_fixture("se-4.6.11-json"), None, 0);
        let unlike = tempfile::tempdir().unwrap();
        fs::create_dir(unlike.path().join("default")).unwrap();
        fs::write(unlike.path().join("default/00000000000000999999.events"), b"x").unwrap();
        let error = other.with(|options| options.data_dir = Some(unlike.path().to_path_buf()));
        let error = server_error(error.unwrap().listing().unwrap_err());
        assert!(matches!(error, Error::NotHere { .. } | Error::Missing { .. }), "{error}");
    }
}

mod a_control_db_zip {
    use super::*;

    fn captured(source: &mut LiveSource) -> (String, Vec<u8>) {
        match source.control_db().unwrap() {
            ControlDbCapture::Observed { name, zip } => (name, zip),
            other => panic!("not observed: {other:?}"),
        }
    }

    #[test]
    fn is_asked_for_and_read_bit_by_bit() {
        for version in VERSIONS {
            let world = World::quiet(version);
            let mut source = world.source();
            let (name, zip) = captured(&mut source);
            let node = world.node.lock().unwrap();
            assert_eq!(node.captures.len(), 1);
            assert_eq!(
                (node.captures[0].0.clone(), zip),
                (name.clone(), fs::read(node.zip_path(&name)).unwrap())
            );
            let posts: Vec<String> = world
                .rest
                .asked()
                .iter()
                .filter(|asked| asked.method == "POST")
                .map(|asked| asked.path.clone())
                .collect();
            assert_eq!(posts, ["/v1/backup/createControlDbBackup", "/createControlDbBackup"]);
        }
    }

    #[test]
    fn comes_after_the_server_s_own_heads() {
        let world = World::quiet(Version::Core2023);
        let mut source = world.source();
        captured(&mut source);
        let paths: Vec<String> = world.rest.asked().iter().map(|asked| asked.path.clone()).collect();
        let at = |path: &str| paths.iter().position(|other| other == path).unwrap();
        assert!(at("/actuator/health") < at("/v1/backup/createControlDbBackup"));
        let node = world.node.lock().unwrap();
        for store in Store::ALL {
            let claimed = source.claimed_heads()[&("default".to_owned(), store)];
            assert_eq!(claimed.map(|token| token.get()), node.store("default", store).head());
        }
    }

    #[test]
    fn comes_with_a_note_where_no_heads_are_told() {
        let world = World::quiet(Version::Core2023);
        for (status, is_borne) in [(404, true), (401, true), (500, false), (302, false)] {
            world.rest.lie(
                move |asked, reply| {
                    if asked.path == "/actuator/health" { Reply::bare(status, "") } else { reply }
                },
            );
            let mut source = world.source();
            assert_eq!(source.control_db().is_ok(), is_borne, "{status}");
            let said = source.remarks().iter().any(|remark| remark.what == "heads-untold");
            assert_eq!(said, is_borne, "{status}");
            assert_eq!(world.node.lock().unwrap().captures.is_empty(), !is_borne, "{status}: in this order");
            world.node.lock().unwrap().captures.clear();
        }
    }

    #[test]
    fn is_removed_only_when_asked_only_itself_and_only_unchanged() {
        for (remove, change) in [(false, false), (true, false), (true, true)] {
            let world = World::quiet(Version::Core2023);
            let old = world.node.lock().unwrap().write_zip();
            let mut source = world.with(|options| options.remove_control_db_zip = remove).unwrap();
            let (name, _) = captured(&mut source);
            let remarks = source.remarks();
            let size = fs::metadata(world.node.lock().unwrap().zip_path(&old)).unwrap().len();
            let old_zips = remarks.iter().find(|remark| remark.what == "old-zips").unwrap();
            assert!(old_zips.text.starts_with("1 older") && old_zips.text.contains(&format!("{size} bytes")));
            let path = world.node.lock().unwrap().zip_path(&name);
            assert!(path.exists(), "not before the point is durable");
            if change {
                fs::write(&path, b"another file").unwrap();
            }
            let told = source.published();
            assert_eq!(path.exists(), !remove || change);
            assert_eq!(
                told.iter().map(|remark| remark.is_warning).collect::<Vec<_>>(),
                if remove { vec![change] } else { vec![] }
            );
            assert!(world.node.lock().unwrap().zip_path(&old).exists());
        }
    }

    /// The error of a capture whose path is this.
    fn refused(world: &World, path: &str) -> Error {
        let path = path.to_owned();
        world.rest.lie(move |asked, reply| {
            if asked.is("POST", "/createControlDbBackup") {
                Reply::new(200, "text/plain;charset=UTF-8", path.clone())
            } else {
                reply
            }
        });
        let error = server_error(world.source().control_db().unwrap_err());
        is_proper(&error);
        error
    }

    #[test]
    fn is_not_taken_from_outside_the_map() {
        let world = World::quiet(Version::Core2023);
        let outside = tempfile::tempdir().unwrap();
        let zip = world.node.lock().unwrap().write_zip();
        let real = world.node.lock().unwrap().zip_path(&zip);
        fs::copy(&real, outside.path().join("controldb1.zip")).unwrap();
        let root = world.root();
        std::os::unix::fs::symlink(outside.path(), root.join("backups/away")).unwrap();
        std::os::unix::fs::symlink(&real, root.join("backups/link.zip")).unwrap();
        fs::create_dir(root.join("backups/directory.zip")).unwrap();
        for path in [
            "/axonserver/../controldb1.zip",
            "/axonserver/backups/../../etc/controldb1.zip",
            "/axonserver/backups/away/controldb1.zip",
            "/axonserver/backups/link.zip",
            "/axonserver/backups/directory.zip",
        ] {
            assert!(matches!(refused(&world, path), Error::ZipRefused { .. }), "{path}");
        }
    }

    #[test]
    fn is_not_taken_where_it_was_made_before_it_was_asked_for() {
        let world = World::quiet(Version::Core2023);
        let zip = world.node.lock().unwrap().write_zip();
        let old = world.root().join("backups/controldb1795381849885.zip");
        fs::copy(world.node.lock().unwrap().zip_path(&zip), &old).unwrap();
        let stale = format!("controldb{}.zip", now_ms() - 60_000);
        fs::copy(&old, world.root().join("backups").join(&stale)).unwrap();
        let error = refused(&world, &format!("/axonserver/backups/{stale}"));
        assert!(matches!(&error, Error::ZipRefused { why, .. } if why.contains("before")), "{error}");
    }

    #[test]
    fn is_not_taken_twice() {
        let world = World::quiet(Version::Core2023);
        let mut source = world.source();
        let (name, _) = captured(&mut source);
        world.rest.lie(move |asked, reply| {
            let again = Reply::new(200, "text/plain", format!("{ROOT}/backups/{name}"));
            if asked.is("POST", "/createControlDbBackup") { again } else { reply }
        });
        assert!(matches!(server_error(source.control_db().unwrap_err()), Error::ZipRefused { .. }));
    }

    #[test]
    fn is_waited_for_and_refused_if_it_stays_torn_or_away() {
        let world = World::quiet(Version::Core2023);
        let zip = world.node.lock().unwrap().write_zip();
        let path = world.node.lock().unwrap().zip_path(&zip);
        let bytes = fs::read(&path).unwrap();
        let torn = path.with_file_name("torn.zip");
        fs::write(&torn, &bytes[..bytes.len() - 9]).unwrap();
        assert!(matches!(refused(&world, "/axonserver/backups/torn.zip"), Error::ZipTorn { .. }));
        let error = refused(&world, "/axonserver/backups/away.zip");
        assert!(matches!(&error, Error::NotHere { named, .. } if named.ends_with("away.zip")), "{error}");
        let mut flipped = bytes.clone();
        flipped[200] ^= 1;
        fs::write(&torn, &flipped).unwrap();
        assert!(matches!(refused(&world, "/axonserver/backups/torn.zip"), Error::ZipTorn { .. }), "its CRC");

        fs::write(&torn, &bytes[..100]).unwrap();
        let surroundings = Surroundings {
            now_ms: Arc::new(now_ms),
            pause: Arc::new(move |_| fs::write(&torn, &bytes).unwrap()),
            stopped: Arc::new(|| false),
        };
        let mut source = LiveSource::open(world.options(), surroundings).unwrap();
        assert!(
            matches!(source.control_db(), Ok(ControlDbCapture::Observed { .. })),
            "whole at the second look"
        );
    }

    #[test]
    fn is_no_page_and_no_document() {
        let world = World::quiet(Version::Core2023);
        for body in [
            "",
            "<html><body>Login</body></html>",
            "{\"path\":\"/axonserver/controldb1.zip\"}",
            "controldb1.zip",
            "/axonserver\n/x.zip",
        ] {
            assert!(matches!(refused(&world, body), Error::Unexpected { .. }), "{body}");
        }
    }
}

mod access {
    use super::*;

    fn with_token(world: &World, token: Option<&str>) -> Result<LiveSource, source::Error> {
        let credentials =
            token.map_or(Credentials::None, |token| Credentials::Token(Secret::new(token).unwrap()));
        world.with(|options| options.server.credentials = credentials)
    }

    #[test]
    fn is_granted_to_a_token_and_denied_without() {
        let world = World::of(Version::Core2023, Node::new(&["default"], 1), Some(TOKEN), 0);
        let mut source = with_token(&world, Some(TOKEN)).unwrap();
        source.listing().unwrap();
        assert!(source.discovered().me.authentication);
        assert!(!format!("{source:?}").contains(TOKEN), "Debug shows no secret");
        let error = server_error(with_token(&world, None).unwrap_err());
        assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
        let error = server_error(with_token(&world, Some("wrong")).unwrap_err());
        assert!(matches!(&error, Error::Forbidden { why, .. } if why == "Invalid token"), "{error}");
    }

    #[test]
    fn of_a_user_is_basic() {
        let world = World::quiet(Version::Core2023);
        let password = Secret::new("swordfish").unwrap();
        let credentials = Credentials::User { name: "admin".to_owned(), password };
        world.with(|options| options.server.credentials = credentials).unwrap();
        let asked = world.rest.asked();
        assert_eq!(asked[0].header("Authorization"), Some("Basic YWRtaW46c3dvcmRmaXNo"));
    }

    #[test]
    fn is_never_repeated_whatever_the_server_says() {
        let world = World::quiet(Version::Core2023);
        for status in [302, 401, 403, 404, 500, 503] {
            world.rest.lie(move |_, _| {
                let reply = Reply::bare(status, &format!("you said {TOKEN}, {}", TOKEN.repeat(100)));
                reply.with("Location", &format!("http://elsewhere/{TOKEN}")).with("AxonIQ-ErrorCode", TOKEN)
            });
            is_proper(&server_error(with_token(&world, Some(TOKEN)).unwrap_err()));
        }
        world.rest.lie(|asked, reply| {
            if asked.path == "/v1/public/me" {
                Reply::json(reply.text().replace("\"localhost\"", &format!("\"{TOKEN}\"")))
            } else if asked.path == "/actuator/info" {
                Reply::json(format!("{{\"app\":{{\"version\":\"{TOKEN}\"}}}}"))
            } else {
                reply
            }
        });
        let mut source = with_token(&world, Some(TOKEN)).unwrap();
        source.listing().unwrap();
        let identity = source.identity().unwrap();
        assert!(!format!("{identity:?} {:?}", source.facts()).contains(TOKEN));
        assert_eq!(identity.facts["server.version"], "***");
    }

    #[test]
    fn by_a_password_that_is_a_part_of_every_path_finds_the_paths_all_the_same() {
        let world = World::quiet(Version::Core2023);
        for word in ["data", "default", "localhost"] {
            let password = Secret::new(word).unwrap();
            let credentials = Credentials::User { name: "admin".to_owned(), password };
            let mut source = world.with(|options| options.server.credentials = credentials).unwrap();
            assert!(!source.listing().unwrap().contexts["default"].events.segments.is_empty());
            assert_eq!(source.identity().unwrap().name, "localhost");
        }
        world.rest.lie(|_, _| Reply::bare(403, "you said swordfish"));
        let credentials =
            Credentials::User { name: "admin".to_owned(), password: Secret::new("swordfish").unwrap() };
        let error = server_error(world.with(|options| options.server.credentials = credentials).unwrap_err());
        assert!(matches!(&error, Error::Forbidden { why, .. } if why == "you said ***"), "{error}");
    }

    #[test]
    fn goes_with_no_redirect() {
        let other = World::of(Version::Core2023, Node::new(&["default"], 2), None, 0);
        let world = World::quiet(Version::Core2023);
        let elsewhere = format!("{}/v1/public/me", other.rest.address);
        world.rest.lie(move |_, _| Reply::bare(302, "").with("Location", &elsewhere));
        let error = server_error(with_token(&world, Some(TOKEN)).unwrap_err());
        assert!(matches!(error, Error::Redirect { status: 302, .. }), "{error}");
        assert!(other.rest.asked().is_empty());
    }

    #[test]
    fn is_not_written_into_the_address() {
        for address in [
            "http://admin:swordfish@node:8024",
            "ftp://node",
            "node:8024",
            "http://",
            "http://node?token=swordfish",
            "",
        ] {
            let world = World::quiet(Version::Core2023);
            let error =
                server_error(world.with(|options| options.server.address = address.to_owned()).unwrap_err());
            assert!(matches!(error, Error::Address { .. }), "{address}: {error}");
            assert!(!error.to_string().contains("swordfish"));
        }
    }
}

mod the_network {
    use super::*;
    use std::net::TcpListener;

    fn reach(address: String, timeout: Duration) -> Error {
        let world = World::quiet(Version::Core2023);
        let error =
            world.with(|options| (options.server.address, options.server.timeout) = (address, timeout));
        let error = server_error(error.unwrap_err());
        is_proper(&error);
        error
    }

    #[test]
    fn refuses() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert!(matches!(
            reach(format!("http://127.0.0.1:{port}"), Duration::from_secs(5)),
            Error::Refused { .. }
        ));
    }

    #[test]
    fn leads_nowhere() {
        let error = reach("http://no-such-host.invalid:8024".to_owned(), Duration::from_secs(20));
        assert!(matches!(error, Error::Unreachable { .. } | Error::Timeout { .. }), "{error}");
    }

    #[test]
    fn is_silent() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = reach(format!("http://{}", silent.local_addr().unwrap()), Duration::from_millis(300));
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
    }

    /// A server that says these bytes, whatever it is asked, and hangs up.
    fn parrot(says: &'static [u8]) -> String {
        use std::io::{Read, Write};
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(says);
            }
        });
        address
    }

    #[test]
    fn speaks_no_tls_where_it_should() {
        let address = parrot(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        let error = reach(format!("https://{address}"), Duration::from_secs(5));
        assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    }

    #[test]
    fn breaks_off() {
        for says in [
            b"".as_slice(),
            b"HTTP/1.1 200 OK\r\nContent-Le",
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"name\":",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
            b"SSH-2.0-OpenSSH_9.6\r\n",
        ] {
            let error = reach(format!("http://{}", parrot(says)), Duration::from_secs(5));
            let text = String::from_utf8_lossy(says);
            assert!(matches!(error, Error::Broken { .. }), "{text}: {error:?}");
        }
    }

    /// A server with a certificate for `localhost`; gives its address and the certificate.
    fn tls_server() -> (String, String) {
        tls_server_with(rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap())
    }

    fn tls_server_with(params: rcgen::CertificateParams) -> (String, String) {
        let signing_key = rcgen::KeyPair::generate().unwrap();
        let cert = params.self_signed(&signing_key).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        std::thread::spawn(move || {
            listener.incoming().for_each(|stream| answer_tls(stream.unwrap(), &config))
        });
        (address, cert.pem())
    }

    fn answer_tls(mut stream: std::net::TcpStream, config: &rustls::ServerConfig) {
        use std::io::{Read, Write};
        let mut tls = rustls::ServerConnection::new(Arc::new(config.clone())).unwrap();
        let mut stream = rustls::Stream::new(&mut tls, &mut stream);
        let mut buffer = [0; 4096];
        let body = r#"{"name":"n","storageContextNames":["default"]}"#;
        let reply =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        if stream.read(&mut buffer).is_ok() {
            let _ = stream.write_all(reply.as_bytes());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    }

    #[test]
    fn is_trusted_by_certificate_or_not_at_all() {
        let (address, pem) = tls_server();
        let error = reach(address.clone(), Duration::from_secs(5));
        assert!(matches!(error, Error::Tls { .. } | Error::Setup { .. }), "{error:?}");
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        fs::write(&file, pem).unwrap();
        let world = World::quiet(Version::Core2023);
        let reach = |change: &dyn Fn(&mut LiveOptions)| {
            world.with(|options| {
                options.server.address.clone_from(&address);
                options.data_dir = None;
                change(options);
            })
        };
        assert_eq!(
            reach(&|options| options.server.ca_cert = Some(file.clone())).unwrap().discovered().me.name,
            "n"
        );
        assert_eq!(reach(&|options| options.server.insecure = true).unwrap().discovered().me.name, "n");
        let mut authority = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let (address_of_authority, pem) = tls_server_with(authority);
        fs::write(directory.path().join("authority.pem"), pem).unwrap();
        let error = reach(&|options| {
            options.server.address.clone_from(&address_of_authority);
            options.server.ca_cert = Some(directory.path().join("authority.pem"));
        });
        let error = server_error(error.unwrap_err());
        assert!(matches!(&error, Error::Tls { why, .. } if why.contains("CA:TRUE")), "{error:?}");
        let other = directory.path().join("other.pem");
        fs::write(&other, tls_server().1).unwrap();
        let error = server_error(reach(&|options| options.server.ca_cert = Some(other.clone())).unwrap_err());
        assert!(matches!(error, Error::Tls { .. }), "{error:?}");
        fs::write(&other, "no certificate").unwrap();
        let error = server_error(reach(&|options| options.server.ca_cert = Some(other.clone())).unwrap_err());
        assert!(matches!(error, Error::Certificate { .. }), "{error:?}");
    }
}

mod a_liar {
    use super::*;

    /// The error of a listing whose answers to `path` are changed.
    fn caught(
        version: Version,
        path: &'static str,
        mut lie: impl FnMut(Reply) -> Reply + Send + 'static,
    ) -> Error {
        let world = World::quiet(version);
        let mut source = world.with(|options| options.server.timeout = Duration::from_millis(700)).unwrap();
        world.rest.lie(move |asked, reply| if asked.path == path { lie(reply) } else { reply });
        let error = server_error(source.listing().unwrap_err());
        is_proper(&error);
        error
    }

    const LISTING: &str = "/v1/backup/eventstore";

    #[test]
    fn is_told_by_its_status() {
        for version in VERSIONS {
            let unavailable = |_| {
                Reply::new(503, "text/plain;charset=UTF-8", "[AXONIQ-7000] Not ready for backup")
                    .with("AxonIQ-ErrorCode", "AXONIQ-7000")
            };
            let error = caught(version, LISTING, unavailable);
            assert!(
                matches!(&error, Error::Status { status: 503, why, .. } if why == "[AXONIQ-7000] Not ready for backup"),
                "{error}"
            );
            assert!(matches!(
                caught(version, LISTING, |_| Reply::bare(500, "")),
                Error::Status { status: 500, .. }
            ));
            assert!(matches!(caught(version, LISTING, |_| Reply::bare(401, "")), Error::Unauthorized { .. }));
            assert!(matches!(caught(version, LISTING, |_| Reply::bare(403, "no")), Error::Forbidden { .. }));
            let login = |_| Reply::bare(302, "").with("Location", "/login");
            assert!(matches!(caught(version, LISTING, login), Error::Redirect { .. }));
            assert!(matches!(
                caught(version, LISTING, |_| Reply::bare(204, "")),
                Error::Status { status: 204, .. }
            ));
        }
    }

    #[test]
    fn is_told_by_what_is_no_listing() {
        for body in ["", "<html>Login</html>", "null", "[]", "{}", "{\"lastClosedSegment\":0", "\u{0}\u{1}"] {
            let error = caught(Version::Core2023, LISTING, move |_| Reply::json(body));
            assert!(matches!(error, Error::Unexpected { .. }), "{body}: {error}");
        }
        for body in ["<html>", "{}", "{\"name\":\"n\",\"storageContextNames\":[\"../x\"]}"] {
            let error = caught(Version::Core2023, "/v1/public/me", move |_| Reply::json(body));
            assert!(matches!(error, Error::Unexpected { .. }), "{body}: {error}");
        }
    }

    #[test]
    fn is_not_waited_for_for_ever_nor_read_without_end() {
        let endless = |apart: u64| move |reply: Reply| reply.body(Body::Repeated(b' ', usize::MAX, apart));
        assert!(matches!(
            caught(Version::Core2023, LISTING, endless(0)),
            Error::TooLarge { .. } | Error::Timeout { .. }
        ));
        assert!(matches!(caught(Version::Core2023, LISTING, endless(20)), Error::Timeout { .. }));
        let large = |reply: Reply| reply.body(Body::Repeated(b' ', 100 << 20, 0));
        let error = caught(Version::Core2023, "/v1/public/me", large);
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }

    /// A listing of events that is changed name by name.
    fn named(reply: &Reply, keep: impl Fn(&str) -> bool) -> Reply {
        let mut value: serde_json::Value = serde_json::from_str(&reply.text()).unwrap();
        value["filenames"].as_array_mut().unwrap().retain(|name| keep(name.as_str().unwrap()));
        Reply::json(value.to_string())
    }

    fn numbers(reply: &Reply) -> Vec<String> {
        let value: serde_json::Value = serde_json::from_str(&reply.text()).unwrap();
        let names =
            value["filenames"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
        let data = names.filter(|name| name.ends_with(".events") && !name.contains('_'));
        let mut numbers: Vec<String> =
            data.map(|name| name.rsplit('/').next().unwrap()[..20].to_owned()).collect();
        numbers.sort();
        numbers.dedup();
        numbers
    }

    #[test]
    fn who_lists_nothing_is_not_believed() {
        for version in VERSIONS {
            let error = caught(version, LISTING, |reply| named(&reply, |_| false));
            assert!(matches!(&error, Error::Empty { count, .. } if *count > 0), "{error}");
        }
    }

    #[test]
    fn who_leaves_a_segment_out_is_asked_again_and_then_told_the_tokens() {
        for version in VERSIONS {
            let error = caught(version, LISTING, |reply| {
                let numbers = numbers(&reply);
                let Some(left_out) = numbers.get(2).cloned() else { return reply };
                named(&reply, move |name| !name.contains(&left_out))
            });
            let Error::Missing { tokens, place, attempts, .. } = &error else { panic!("{error}") };
            let listed = tokens
                .trim_start_matches("tokens ")
                .split(" to ")
                .map(|n| n.parse::<u64>().unwrap())
                .collect::<Vec<_>>();
            assert!(listed[0] < listed[1] && place.contains("listing") && *attempts == 5, "{error}");
        }
    }

    #[test]
    fn who_leaves_a_segment_out_once_is_forgiven() {
        for version in VERSIONS {
            let world = World::quiet(version);
            let mut source = world.source();
            let truth = source.listing().unwrap();
            let mut left = 2;
            world.rest.lie(move |asked, reply| {
                if asked.path != LISTING || left == 0 || asked.parameter("type") == Some("SNAPSHOT") {
                    return reply;
                }
                left -= 1;
                let numbers = numbers(&reply);
                named(&reply, move |name| !name.contains(&numbers[1]))
            });
            assert_eq!(source.listing().unwrap(), truth);
        }
    }

    #[test]
    fn who_lists_what_is_not_there_is_told_so() {
        for version in VERSIONS {
            let error = caught(version, LISTING, |reply| {
                let numbers = numbers(&reply);
                let Some(first) = numbers.first() else { return reply };
                Reply::json(reply.text().replace(&format!("{first}.events"), "00000000000000000001.events"))
            });
            assert!(matches!(error, Error::Missing { .. } | Error::Listing { .. }), "{error}");
        }
    }

    #[test]
    fn who_says_that_the_open_segment_is_closed_is_not_believed() {
        for version in VERSIONS {
            let error = caught(version, LISTING, |reply| {
                let Some(last) = numbers(&reply).pop() else { return reply };
                let mut value: serde_json::Value = serde_json::from_str(&reply.text()).unwrap();
                value["lastClosedSegment"] = last.parse::<u64>().unwrap().into();
                Reply::json(value.to_string())
            });
            assert!(matches!(error, Error::Listing { .. }), "{error}");
        }
    }

    #[test]
    fn who_lists_another_context_is_not_believed() {
        for version in VERSIONS {
            let mut node = Node::new(&["default", "other"], 11);
            node.steps(400);
            node.settle();
            let world = World::of(version, node, None, 0);
            for data_dir in [Some(world.root()), None] {
                world.rest.tell_the_truth();
                let mut source = world.with(|options| options.data_dir = data_dir).unwrap();
                source.listing().unwrap();
                let other = world.rest.answer("GET", "/v1/backup/eventstore?type=EVENT&targetContext=other");
                world.rest.lie(move |asked, reply| {
                    let is_it = asked.parameter("targetContext") == Some("default")
                        && asked.parameter("type") == Some("EVENT");
                    if is_it { other.clone() } else { reply }
                });
                let error = server_error(source.listing().unwrap_err());
                assert!(matches!(&error, Error::Listing { why, .. } if why.contains("other")), "{error}");
            }
        }
    }

    #[test]
    fn whose_heads_are_none_is_not_believed() {
        let world = World::quiet(Version::Core2023);
        world.rest.lie(|asked, reply| {
            if asked.path == "/actuator/health" {
                Reply::json(reply.text().replace("lastEvent\":", "lastEvent\":-7"))
            } else {
                reply
            }
        });
        let error = server_error(world.source().control_db().unwrap_err());
        assert!(matches!(error, Error::Unexpected { .. }), "{error}");
    }
}

mod a_replication_log {
    use super::*;

    const ONE: &str = "00000000000000000001.log";
    const TWO: &str = "00000000000000000901.log";

    fn cluster() -> World {
        let mut node = Node::new(&["orders"], 7);
        node.steps(100);
        node.settle();
        node.join("orders", &[(ONE, b"one"), (TWO, b"two")]);
        node.join("_admin", &[(ONE, b"admin")]);
        World::of(Version::Core2023, node, None, 0)
    }

    fn groups(source: &mut LiveSource) -> Vec<(String, usize)> {
        let found = source.plain_files().unwrap();
        found.into_iter().map(|set| (set.group.unwrap(), set.files.len())).collect()
    }

    #[test]
    fn is_taken_group_by_group_by_map_or_beside_the_data() {
        let world = cluster();
        let by_map = |options: &mut LiveOptions| options.data_dir = None;
        let beside = |options: &mut LiveOptions| options.path_map = PathMap::default();
        for mut source in [world.with(by_map).unwrap(), world.with(beside).unwrap()] {
            assert_eq!(groups(&mut source), [("_admin".to_owned(), 1), ("orders".to_owned(), 2)]);
            assert!(source.remarks().is_empty());
            assert_eq!(source.identity().unwrap().facts["server.leader.orders"], "node-2");
        }
    }

    #[test]
    fn is_asked_for_once_where_there_is_no_cluster() {
        let world = World::quiet(Version::Se46);
        let mut source = world.source();
        assert!(groups(&mut source).is_empty() && source.remarks().is_empty());
        let asked = world.rest.asked();
        assert_eq!(asked.iter().filter(|asked| asked.path.contains("/log/")).count(), 1);
    }

    #[test]
    fn that_can_not_be_had_is_a_warning_and_a_list_that_is_none_an_error() {
        let world = cluster();
        for status in [401, 403, 500, 503] {
            world.rest.lie(
                move |asked, reply| {
                    if asked.path.contains("/log/") { Reply::bare(status, "no") } else { reply }
                },
            );
            let mut source = world.source();
            assert!(groups(&mut source).is_empty());
            let remarks = source.remarks();
            assert_eq!(remarks.len(), 2, "{status}");
            assert!(remarks.iter().all(|remark| remark.is_warning && remark.what == "no-replication-log"));
        }
        for body in ["<html>", "{}", "[\"/etc/shadow\"]", "[\"/axonserver/../00000000000000000001.log\"]"] {
            world.rest.lie(
                move |asked, reply| {
                    if asked.path.contains("/log/") { Reply::json(body) } else { reply }
                },
            );
            let error = server_error(world.source().plain_files().unwrap_err());
            assert!(matches!(error, Error::Unexpected { .. }), "{body}: {error}");
        }
    }

    #[test]
    fn that_is_not_there_is_told_with_the_flag_and_one_outside_the_map_is_refused() {
        let world = cluster();
        let log = world.root().join("log/orders");
        let outside = tempfile::tempdir().unwrap();
        fs::rename(&log, world.root().join("elsewhere")).unwrap();
        let mut source = world.source();
        assert_eq!(groups(&mut source), [("_admin".to_owned(), 1)]);
        let remarks = source.remarks();
        assert!(remarks[0].is_warning && remarks[0].text.contains("--path-map"), "{remarks:?}");
        std::os::unix::fs::symlink(outside.path(), &log).unwrap();
        let error = server_error(world.source().plain_files().unwrap_err());
        assert!(matches!(&error, Error::Listing { why, .. } if why.contains("outside")), "{error}");
    }

    #[test]
    fn is_restored_when_asked_for_and_replaced_by_the_next() {
        use crate::support::program::Room;
        let (world, room) = (cluster(), Room::new());
        let root = world.root();
        let line = format!(
            "backup --server {} --path-map {ROOT}={} --remove-control-db-zip",
            world.rest.address,
            root.display()
        );
        room.ends(0, &line);
        fs::remove_file(root.join("log/orders").join(ONE)).unwrap();
        world.node.lock().unwrap().join("orders", &[(TWO, b"two and more")]);
        room.ends(0, &line);
        let restored = |point: &str, name: &str| {
            room.ends(0, &format!("restore {point} --target {name} --with-replication-log"));
            let log = room.path(name).join("log");
            let files = fixtures::files(&log).into_iter().flat_map(|group| fixtures::files(&group));
            files
                .map(|path| {
                    (path.strip_prefix(&log).unwrap().display().to_string(), fs::read(&path).unwrap())
                })
                .collect::<Vec<_>>()
        };
        let file = |group: &str, name: &str, bytes: &[u8]| (format!("{group}/{name}"), bytes.to_vec());
        let admin = file("_admin", ONE, b"admin");
        assert_eq!(
            restored("1", "first"),
            [admin.clone(), file("orders", ONE, b"one"), file("orders", TWO, b"two")]
        );
        assert_eq!(restored("2", "second"), [admin, file("orders", TWO, b"two and more")]);
        room.ends(0, "restore latest --target without");
        assert!(!room.path("without").join("log").exists());
    }
}

mod on_the_command_line {
    use super::*;
    use crate::support::program::Room;
    use std::process::Output;

    /// Runs a line about a world; `TOKEN` and the like are not in what it prints.
    fn run(world: &World, room: &Room, line: &str, token: Option<&str>) -> (i32, String) {
        let map = format!("--path-map {ROOT}={}", world.root().display());
        let line =
            format!("{line} --server {} --data-dir {} {map}", world.rest.address, world.root().display());
        let mut command = room.command(&line);
        command.env_remove("SEGVAULT_SERVER_TOKEN");
        if let Some(token) = token {
            command.env("SEGVAULT_SERVER_TOKEN", token);
        }
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(!text.contains(TOKEN), "{text}");
        (status.code().unwrap(), text)
    }

    fn guarded() -> World {
        let mut node = Node::new(&["default"], 7);
        node.steps(300);
        node.settle();
        World::of(Version::Core2023, node, Some(TOKEN), 0)
    }

    #[test]
    fn a_backup_is_made_and_its_zip_removed() {
        let (world, room) = (guarded(), Room::new());
        let (code, text) = run(&world, &room, "backup --remove-control-db-zip", Some(TOKEN));
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("complete") && text.contains("order observed"), "{text}");
        let (zip, _) = world.node.lock().unwrap().captures[0].clone();
        assert!(!world.node.lock().unwrap().zip_path(&zip).exists());
        let manifest = fs::read_to_string(room.repository().join("points/1.json")).unwrap();
        assert!(manifest.contains("server.request") && !manifest.contains(TOKEN), "{manifest}");
    }

    #[test]
    fn a_dry_run_asks_for_no_zip() {
        let (world, room) = (guarded(), Room::new());
        let (code, text) = run(&world, &room, "backup --dry-run", Some(TOKEN));
        assert_eq!(code, 0, "{text}");
        assert!(world.rest.asked().iter().all(|asked| asked.method == "GET"), "{text}");
    }

    #[test]
    fn whoever_may_not_ends_with_41_and_publishes_nothing() {
        let (world, room) = (guarded(), Room::new());
        for token in [None, Some("wrong")] {
            let (code, text) = run(&world, &room, "backup", token);
            assert_eq!((code, text.trim_end().lines().count()), (41, 1), "{text}");
        }
        assert!(!room.repository().join("points/1.json").exists());
    }

    #[test]
    fn a_server_is_checked() {
        let (world, room) = (guarded(), Room::empty());
        let (code, text) = run(&world, &room, "check-server --remove-control-db-zip", Some(TOKEN));
        assert_eq!(code, 3, "{text}");
        for word in [
            "server",
            "authorised",
            "version",
            "contexts",
            "listing",
            "directory",
            "control-db",
            "heads",
            "space",
        ] {
            assert!(text.contains(&format!("ok    {word} ")), "{word}: {text}");
        }
        let left = world.node.lock().unwrap().captures[1].0.clone();
        assert!(text.contains(&format!("this check left /axonserver/./backups/{left} behind")), "{text}");
        assert!(
            text.contains(
                "warn  access      the server writes a zip of its control database for whoever asks"
            ),
            "{text}"
        );
        assert!(!room.repository().exists());
        let (code, text) = run(&world, &room, "check-server --json", None);
        assert_eq!(code, 41, "{text}");
        let document: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(
            (&document["checks"][0]["name"], &document["checks"][0]["state"]),
            (&"server".into(), &"ok".into())
        );
        let authorised = &document["checks"][1];
        assert_eq!((&authorised["name"], &authorised["state"]), (&"authorised".into(), &"fail".into()));
        assert!(authorised["advice"].as_str().unwrap().contains("--token-file"));
    }

    #[test]
    fn a_check_asks_for_no_zip_where_none_is_wanted() {
        let (world, room) = (guarded(), Room::empty());
        let (code, text) = run(&world, &room, "check-server --no-control-db", Some(TOKEN));
        assert_eq!(code, 0, "{text}");
        assert!(world.rest.asked().iter().all(|asked| asked.method == "GET"), "{text}");
    }

    #[test]
    fn a_check_ends_as_a_backup_would() {
        let (world, room) = (guarded(), Room::empty());
        let (code, text) = run(&world, &room, "check-server --context nope", Some(TOKEN));
        assert_eq!(code, 2, "{text}");
        assert!(text.contains("fail  listing     there is no context nope"), "{text}");
        // The directory of a server that had written less.
        world.rest.lie(|asked, reply| {
            if asked.path == "/actuator/health" {
                Reply::json(reply.text().replace("lastEvent\":", "lastEvent\":9"))
            } else {
                reply
            }
        });
        let (code, text) = run(&world, &room, "check-server", Some(TOKEN));
        assert_eq!(code, 21, "{text}");
        assert!(text.contains("fail  heads       events of default end at token"), "{text}");
    }

    #[test]
    fn a_check_names_the_directory_that_is_none() {
        let (world, room) = (guarded(), Room::empty());
        let line = format!("check-server --server {} --data-dir nowhere", world.rest.address);
        let mut command = room.command(&line);
        let output = command.env("SEGVAULT_SERVER_TOKEN", TOKEN).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            text.contains("ok    server ") && text.contains("fail  directory   nowhere is not"),
            "{text}"
        );
    }

    #[test]
    fn a_token_that_travels_unencrypted_is_warned_of_before_it_is_sent() {
        let room = Room::new();
        // No such machine: nothing is sent.
        let said = |line: &str, token: &str| {
            let mut command =
                room.command(&format!("{line} --server http://nowhere.invalid:8024 --no-control-db"));
            let output = command.env("SEGVAULT_SERVER_TOKEN", token).output().unwrap();
            assert!(!output.status.success());
            String::from_utf8(output.stderr).unwrap()
        };
        for line in ["backup", "watch"] {
            let text = said(line, TOKEN);
            assert_eq!(text.matches("travels unencrypted to another machine").count(), 1, "{line}: {text}");
            assert!(text.starts_with("segvault: warning: ") && !text.contains(TOKEN), "{line}: {text}");
            assert!(!said(line, "").contains("unencrypted"), "{line}: there is none");
        }
    }

    #[test]
    fn a_token_in_the_environment_that_is_no_text_is_refused() {
        use std::os::unix::ffi::OsStringExt;
        let (world, room) = (guarded(), Room::new());
        let mut command = room.command(&format!("backup --server {}", world.rest.address));
        let token = std::ffi::OsString::from_vec(b"\xff-0123456789".to_vec());
        let output = command.env("SEGVAULT_SERVER_TOKEN", token).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("SEGVAULT_SERVER_TOKEN") && !text.contains("0123456789"), "{text}");
        assert!(world.rest.asked().is_empty());
    }
}
