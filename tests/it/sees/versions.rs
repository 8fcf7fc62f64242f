//! Row 3: another version of a segment, higher or lower.

use crate::sees::lab::{Lab, blocks, context, image_of, incarnation, says, segment, server, whole};
use crate::support::fixtures;
use crate::support::segments::{Change, Event, SegmentImage};
use crate::support::server::Server;
use segvault::axon::name::{SegmentName, Store};
use segvault::engine::backup::BackupReport;
use segvault::source::data_dir::{ControlDbFrom, DataDir, DataDirOptions};
use std::fs;

/// Before the transformation, between it and compaction, after.
fn transformed(seed: u64) -> [Server; 3] {
    let before = server(seed);
    let mut between = before.clone();
    context(&mut between).transform(0);
    context(&mut between).transform(1);
    let mut after = between.clone();
    context(&mut after).compact();
    [before, between, after]
}

#[test]
fn each_version_is_an_entry_of_its_own_in_whatever_order_they_are_seen() {
    for order in [[0, 1, 2], [2, 1, 0], [0, 2, 1], [1, 0, 2], [2, 0, 1], [1, 2, 0]] {
        let lab = Lab::new();
        let states = transformed(1);
        let mut made = Vec::new();
        for at in order {
            made.push((lab.complete(&mut states[at].clone()), whole(&states[at])));
        }
        for (report, shown) in &made {
            assert_eq!(incarnation(report), 1, "{order:?}");
            assert_eq!(&lab.events(report), shown, "{order:?}");
        }
    }
}

/// What was deleted by the transformation must not come back.
#[test]
fn a_hole_is_filled_with_the_highest_version() {
    let lab = Lab::new();
    let [mut before, mut between, mut after] = transformed(9);
    for state in [&mut before, &mut between, &mut after] {
        lab.complete(state);
    }
    let all = whole(&after);
    let name = segment(&after, 1).name();
    assert_eq!(name.version, 1);
    context(&mut after).events.segments.remove(&name);
    assert_eq!(lab.events(&lab.incomplete(&mut after, "gone")), all);
}

/// The second version of a segment, changed by `change`, in the place of the first one, after this one was archived.
fn in_its_stead(seed: u64, change: impl Fn(&SegmentImage) -> SegmentImage) -> (Lab, Server, BackupReport) {
    let (lab, mut server) = (Lab::new(), server(seed));
    lab.complete(&mut server);
    let image = segment(&server, 1);
    context(&mut server).events.segments.remove(&image.name());
    context(&mut server).events.insert(change(&image));
    let report = lab.backup(&mut server);
    (lab, server, report)
}

/// An event with a payload that can't be told from what a transformation writes, but for what `with` changes.
fn replaced(bytes: &[u8], with: impl Fn(Event) -> Event) -> Event {
    let event = segvault::axon::event::Event::parse(bytes).unwrap();
    with(Event {
        message_id: event.message_identifier.to_owned(),
        ..Event::of(event.aggregate_identifier, event.aggregate_sequence_number).at(event.timestamp)
    })
}

#[test]
fn deleted_and_replaced_events_keep_their_aggregate_and_sequence() {
    let (lab, server, report) = in_its_stead(2, |image| {
        image.transformed(|token, bytes| {
            let change: fn(Event) -> Event =
                if token % 2 == 0 { |event| event.deleted() } else { |event| event };
            Change::Replace(replaced(bytes, change))
        })
    });
    assert!(report.complete, "{:?}", report.findings);
    assert_eq!((incarnation(&report), lab.events(&report)), (1, whole(&server)));
}

#[test]
fn another_aggregate_or_sequence_is_a_fork() {
    let other_aggregate = |image: &SegmentImage| {
        let first = image.name().number.get();
        image.transformed(|token, bytes| match token == first {
            true => {
                Change::Replace(replaced(bytes, |event| Event { aggregate: "another".to_owned(), ..event }))
            }
            false => Change::Keep,
        })
    };
    let other_sequence = |image: &SegmentImage| {
        let first = image.name().number.get();
        image.transformed(|token, bytes| match token == first {
            true => Change::Replace(replaced(bytes, |event| Event { sequence: event.sequence + 1, ..event })),
            false => Change::Keep,
        })
    };
    for (seed, report) in [(3, in_its_stead(3, other_aggregate).2), (4, in_its_stead(4, other_sequence).2)] {
        assert!(says(&report, "fork"), "{seed}: {:?}", report.findings);
        assert_eq!(incarnation(&report), 2);
    }
}

/// The blocks of an image as its next version.
fn next_version(image: &SegmentImage, blocks: &[Vec<Vec<u8>>]) -> SegmentImage {
    image_of(image.name(), 6_000, blocks).transformed(|_, _| Change::Keep)
}

#[test]
fn transactions_that_are_cut_otherwise_are_a_fork() {
    let report = in_its_stead(5, |image| {
        let all = blocks(image);
        let joined = vec![all.concat()];
        next_version(image, &joined)
    });
    assert!(says(&report.2, "fork"));
}

#[test]
fn more_or_fewer_tokens_are_a_fork() {
    let fewer = in_its_stead(6, |image| {
        let all = blocks(image);
        next_version(image, &all[..all.len() - 1])
    });
    assert!(says(&fewer.2, "fork"), "{:?}", fewer.2.findings);
    // In the last segment, which a directory alone calls open: its archived self was sealed, and ends before.
    let (lab, mut server) = (Lab::new(), server(7));
    lab.complete(&mut server);
    let image = segment(&server, 1);
    let mut all = blocks(&image);
    all.push(blocks(&segment(&server, 2))[0].clone());
    context(&mut server).events.segments.retain(|name, _| *name < image.name());
    context(&mut server).events.insert(next_version(&image, &all));
    assert!(says(&lab.incomplete(&mut server, "fork"), "fork"));
}

#[test]
fn a_version_that_is_seen_in_part_only_lags() {
    let (lab, mut server) = (Lab::new(), server(8));
    lab.complete(&mut server);
    let image = segment(&server, 1);
    let all = blocks(&image);
    context(&mut server).events.segments.retain(|name, _| *name < image.name());
    context(&mut server).events.insert(next_version(&image, &all[..2]));
    let report = lab.complete(&mut server);
    assert!(says(&report, "lag"), "{:?}", report.findings);
}

#[test]
fn of_encrypted_events_only_the_count_is_compared() {
    // Flags in the header say that events are not as the server was given them.
    let (lab, mut server) = (Lab::new(), server(9));
    let image = segment(&server, 1);
    let name = SegmentName { version: 1, ..image.name() };
    let encrypted = |salt: u8| {
        let scrambled: Vec<Vec<Vec<u8>>> = blocks(&image)
            .into_iter()
            .map(|block| block.into_iter().map(|event| event.iter().map(|b| b ^ salt).collect()).collect())
            .collect();
        let mut bytes = next_version(&image, &scrambled).bytes();
        bytes[4] = 1;
        bytes
    };
    crate::sees::lab::show(&mut server, image.name(), encrypted(0x5a));
    lab.complete(&mut server);
    context(&mut server).events.insert(next_version(&image, &blocks(&image)));
    crate::sees::lab::show(&mut server, name, encrypted(0xa5));
    let report = lab.complete(&mut server);
    assert_eq!(incarnation(&report), 1);
}

#[test]
fn segments_that_a_real_server_transformed_are_versions_before_between_and_after_compaction() {
    let copy = fixtures::copy("core-2023.2.1-transformed");
    let files = |context: &std::path::Path| {
        let mut names: Vec<_> = fixtures::files(context);
        names.retain(|path| path.extension().is_some_and(|extension| extension == "events"));
        names
    };
    let contexts: Vec<_> =
        fixtures::files(&copy.path().join("data")).into_iter().filter(|path| path.is_dir()).collect();
    let is_transformed = |path: &std::path::Path| path.file_stem().unwrap().to_string_lossy().contains('_');
    let with_both: Vec<_> = contexts
        .iter()
        .filter(|context| {
            let names = files(context);
            names.iter().any(|one| {
                is_transformed(one)
                    && names.iter().any(|other| {
                        other != one
                            && other.file_stem().unwrap().to_string_lossy()[..20]
                                == one.file_stem().unwrap().to_string_lossy()[..20]
                    })
            })
        })
        .collect();
    assert!(!with_both.is_empty(), "{:?}", contexts.iter().map(|c| files(c)).collect::<Vec<_>>());
    let names: Vec<String> =
        with_both.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    let aside = tempfile::tempdir().unwrap();
    // Which files are there: without the new versions, with all, with the highest of each number alone.
    let lab = Lab::new();
    let mut count = 0;
    for state in [0, 1, 2, 1, 0] {
        for context in &with_both {
            for name in fixtures::files(aside.path()) {
                let target = name.file_name().unwrap().to_string_lossy().into_owned();
                if let Some(rest) =
                    target.strip_prefix(&format!("{}-", context.file_name().unwrap().to_string_lossy()))
                {
                    fs::rename(&name, context.join(rest)).unwrap();
                }
            }
            let all = files(context);
            for path in &all {
                let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
                let higher = all.iter().any(|other| {
                    let other = other.file_stem().unwrap().to_string_lossy().into_owned();
                    other[..20] == stem[..20] && other > stem
                });
                let lower = all.iter().any(|other| {
                    let other = other.file_stem().unwrap().to_string_lossy().into_owned();
                    other[..20] == stem[..20] && other < stem
                });
                if (state == 0 && lower) || (state == 2 && higher) {
                    let context = context.file_name().unwrap().to_string_lossy();
                    let name = path.file_name().unwrap().to_string_lossy();
                    fs::rename(path, aside.path().join(format!("{context}-{name}"))).unwrap();
                    count += 1;
                }
            }
        }
        let mut source = DataDir::open(DataDirOptions {
            path: copy.path().to_path_buf(),
            control_db: ControlDbFrom::None("not here".to_owned()),
            accept_unordered: false,
            no_mmap: state == 1,
        })
        .unwrap();
        let report = lab
            .try_with(&mut source, |options| {
                options.source = Some("node".to_owned());
                options.contexts.clone_from(&names);
            })
            .unwrap();
        assert!(report.complete, "{:?}", report.findings);
        assert!(report.contexts.iter().all(|context| context.incarnation == 1), "{:?}", report.findings);
    }
    assert!(count > 0);
    let _ = Store::Events;
}
