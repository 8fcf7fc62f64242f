//! What is archived, beside a data directory or another repository: equal, not archived yet, different, and whose copy is the good one.

use crate::support::archive::Archive;
use crate::support::program::{Room, SERVER, flip, segments};
use crate::support::server::Server;
use segvault::axon::name::Store;
use segvault::engine::against::{self, Against, Kind, Side, With};
use segvault::engine::observe::Unobserved;

fn archived(seed: u64) -> (Archive, Server) {
    let archive = Archive::new();
    let mut server = Server::new("node", &["default"], seed);
    grow(&mut server, 30);
    archive.backup(&mut server);
    (archive, server)
}

fn grow(server: &mut Server, transactions: usize) {
    let context = server.contexts.get_mut("default").unwrap();
    context.append(Store::Events, transactions);
    context.append(Store::Snapshots, 2);
}

fn compare(archive: &Archive, server: &Server) -> Against {
    against::against(&archive.open(), None, With::Source(&mut server.clone()), &Unobserved).unwrap()
}

#[test]
fn what_is_the_same_is_the_same_and_what_is_new_is_not_archived_yet() {
    let (archive, mut server) = archived(1);
    let before = server.contexts["default"].events.next_token();
    let same = compare(&archive, &server);
    assert_eq!((same.differences.len(), same.not_archived.len(), same.only_archived.len()), (0, 0, 0));
    assert!(same.equal_segments > 3);

    grow(&mut server, 30);
    let more = compare(&archive, &server);
    assert_eq!((more.differences.len(), more.only_archived.len()), (0, 0));
    let events: Vec<_> = more.not_archived.iter().filter(|run| run.store == "events").collect();
    assert_eq!(events[0].first, before);
    assert_eq!(events.last().unwrap().last + 1, server.contexts["default"].events.next_token());
}

#[test]
fn a_lagging_copy_is_the_same_as_far_as_it_goes() {
    let (archive, old) = archived(2);
    let mut server = old.clone();
    grow(&mut server, 20);
    archive.backup(&mut server);
    let found = compare(&archive, &old);
    assert_eq!((found.differences.len(), found.not_archived.len()), (0, 0));
    let last = found.only_archived.iter().filter(|run| run.store == "events").map(|run| run.last).max();
    assert_eq!(last, Some(server.contexts["default"].events.next_token() - 1));
}

#[test]
fn bit_rot_is_found_on_whichever_side_it_is_and_the_good_copy_is_named() {
    let (archive, server) = archived(3);
    let mut rotten = server.clone();
    let context = rotten.contexts.get_mut("default").unwrap();
    let image = context.events.sealed().next().unwrap().clone();
    let mut bytes = image.bytes();
    bytes[40] ^= 1;
    context.damaged.insert((Store::Events, image.name()), bytes);
    let found = compare(&archive, &rotten);
    let difference = &found.differences[0];
    assert_eq!(
        (found.differences.len(), difference.kind, difference.good),
        (1, Kind::Damage, Some(Side::Archive))
    );
    assert_eq!((difference.segment.clone(), difference.token), (image.name().to_string(), 0));
    assert!(difference.at <= 40 && found.other_is_damaged() && !found.archive_is_damaged());

    // The damaged copy is archived, too; the same file, healed, is told from it.
    let second = Archive::new();
    second.backup(&mut rotten.clone());
    let found = compare(&second, &server);
    let difference = &found.differences[0];
    assert_eq!((difference.kind, difference.good), (Kind::Damage, Some(Side::Other)));
    assert!(found.archive_is_damaged());
}

#[test]
fn two_histories_are_a_conflict() {
    let (archive, _) = archived(4);
    let mut fork = Server::new("node", &["default"], 5);
    grow(&mut fork, 30);
    let found = compare(&archive, &fork);
    assert!(found.is_conflict() && found.differences.iter().all(|it| it.kind == Kind::Conflict), "{found:?}");
}

#[test]
fn two_repositories_are_compared() {
    let (archive, server) = archived(6);
    let (other, mut same) = archived(6);
    grow(&mut same, 10);
    other.backup(&mut same);
    let with = |repository| {
        against::against(&archive.open(), None, With::Repository(repository), &Unobserved).unwrap()
    };
    let found = with(&other.open());
    assert!(
        found.differences.is_empty() && !found.not_archived.is_empty() && found.unread.is_empty(),
        "{found:?}"
    );
    assert_eq!(compare(&other, &server).not_archived, vec![]);
}

#[test]
fn the_program_ends_with_the_code_of_what_it_found() {
    let room = Room::new();
    let root = room.server(SERVER);
    let line = format!("backup --data-dir {} --no-control-db --source node", root.display());
    room.ends(0, &line);
    let line = format!("verify --against {}", root.display());
    let (text, _) = room.ends(0, &line);
    assert!(text.contains("everything that is there is archived"), "{text}");
    let sealed =
        segments(&root.join("data/default")).into_iter().find(|((store, _), _)| *store == Store::Events);
    flip(&sealed.unwrap().1, 100);
    let document = room.document(22, "against", &line);
    assert_eq!(document["differences"][0]["good"], "archive");
    room.ends(0, &format!("verify --against {}", room.repository().display()));
    room.ends(2, "verify --against x --data");
}
