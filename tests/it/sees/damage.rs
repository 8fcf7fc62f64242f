//! Row 1: a CRC is bad or a transaction incomplete, where there must be none.

use crate::sees::lab::{
    Lab, blocks, context, ends, flipped, image_of, incarnation, open_segment, says, segment, server, show,
    whole,
};
use segvault::axon::name::Store;
use segvault::engine::drop_history::{Before, DropOptions, drop_history};
use segvault::engine::observe::Unobserved;
use segvault::engine::verify::{self, VerifyOptions};
use segvault::repo::format::moment::Moment;

#[test]
fn a_sealed_segment_that_rots_stays_what_points_name_and_its_damaged_bytes_are_kept_beside_it() {
    let (lab, mut server) = (Lab::new(), server(1));
    lab.complete(&mut server);
    let image = segment(&server, 1);
    show(&mut server, image.name(), flipped(image.bytes(), ends(&image)[1] + 20));
    for _ in 0..2 {
        // Read again each time, however complete the points before were.
        let report = lab.incomplete(&mut server, "damage");
        assert_eq!(lab.events(&report), whole(&server));
        assert_eq!(incarnation(&report), 1);
    }
    assert!(lab.keeps_damaged(1, image.name()));
    context(&mut server).damaged.clear();
    assert_eq!(lab.events(&lab.complete(&mut server)), whole(&server));
}

#[test]
fn a_segment_that_was_never_whole_is_kept_as_it_is_and_is_replaced_when_it_is_whole() {
    // A flipped bit of the flags, or in the version of a transaction, can't be told: no CRC covers them.
    for at in [0, 5, 40, 200] {
        let (lab, mut server) = (Lab::new(), server(2));
        let image = segment(&server, 1);
        show(&mut server, image.name(), flipped(image.bytes(), at));
        let report = lab.backup(&mut server);
        assert!(says(&report, "damage") && !report.complete, "{at}");
        // As often as it is seen: the prefix that is archived by then is no good copy.
        let again = lab.incomplete(&mut server, "damage");
        assert!(lab.events(&again) == lab.events(&report), "{at}");
        let segments = |report| lab.body(report).contexts["default"].events.segments;
        assert_eq!(segments(&again), segments(&report), "{at}");
        context(&mut server).damaged.clear();
        let report = lab.backup(&mut server);
        assert!(report.complete, "byte {at}: {:?}", report.findings);
        assert_eq!(incarnation(&report), 1, "byte {at}: {:?}", report.findings);
        assert!(lab.events(&report) == whole(&server), "byte {at}");
    }
}

/// What is behind the damage may be worth keeping, and nobody knows where it ends but by the next segment.
#[test]
fn a_drop_takes_no_damaged_segment_that_may_reach_beyond_what_was_asked_for() {
    let (lab, mut server) = (Lab::new(), server(11));
    let [image, next] = [1, 2].map(|at| segment(&server, at));
    show(&mut server, image.name(), flipped(image.bytes(), ends(&image)[1] + 20));
    lab.incomplete(&mut server, "damage");
    let drop_before = |before: Before, confirmed: Option<String>| {
        let (source, context) = (None, "default".to_owned());
        let options = DropOptions { source, context, before, reason: String::new(), confirmed };
        drop_history(&lab.archive.open(), &options, &Unobserved).unwrap()
    };
    let before = |before| drop_before(before, None).logs.first().map(|part| part.before);
    let (number, behind) = (image.name().number.get(), next.name().number.get());
    assert_eq!(before(Before::Token(behind - 1)), Some(number));
    assert_eq!(before(Before::Token(behind)), Some(behind));
    let begins = segvault::axon::event::Event::parse(&blocks(&next)[0][0]).unwrap().timestamp;
    assert_eq!(before(Before::Time(Moment(begins))), Some(number));
    // Where it goes, its valid prefix goes, too, which is archived as a tail.
    let held = lab.record(1);
    assert!(held.tails.iter().any(|tail| tail.name == image.name()));
    drop_before(Before::Token(behind), Some(format!("default@{behind}")));
    let left = lab.record(1);
    let sealed = lab.archive.open().tree(left.root).unwrap();
    assert!(sealed.iter().chain(&left.tails).all(|entry| entry.name.number >= next.name().number));
    assert_eq!(lab.archive.verify(true).findings, []);
}

#[test]
fn every_byte_of_a_sealed_segment_may_flip_and_none_makes_a_fork() {
    let lab = Lab::new();
    let mut server = server(3);
    lab.complete(&mut server);
    let image = segment(&server, 1);
    let valid = usize::try_from(image.end()).unwrap();
    for at in (0..17).chain((17..valid).step_by(97)).chain(valid..valid + 4) {
        show(&mut server, image.name(), flipped(image.bytes(), at));
        let report = lab.incomplete(&mut server, "damage");
        assert_eq!((incarnation(&report), at), (1, at), "{:?}", report.findings);
        assert_eq!(lab.events(&report), whole(&server), "byte {at}");
        let named = lab.archive.open().tree(lab.body(&report).contexts["default"].events.root).unwrap();
        assert!(
            named.iter().all(|entry| entry.flaw.is_none()),
            "byte {at}: the good copy is what the point names"
        );
    }
}

/// What looks like an end is none where the next segment begins later.
#[test]
fn an_end_in_the_middle_of_a_sealed_segment_is_damage() {
    let (lab, mut server) = (Lab::new(), server(10));
    let image = segment(&server, 1);
    let mut bytes = image.bytes();
    let at = ends(&image)[0];
    bytes[at..at + 4].fill(0xff);
    show(&mut server, image.name(), bytes);
    lab.incomplete(&mut server, "damage");
    assert!(lab.keeps_damaged(1, image.name()));
    context(&mut server).damaged.clear();
    assert_eq!(lab.events(&lab.complete(&mut server)), whole(&server));
}

#[test]
fn pages_that_a_power_loss_took_from_the_end_of_a_sealed_segment_are_damage() {
    let (lab, mut server) = (Lab::new(), server(4));
    lab.complete(&mut server);
    let image = segment(&server, 1);
    let mut bytes = image.bytes();
    let from = ends(&image)[0];
    bytes[from..].fill(0);
    show(&mut server, image.name(), bytes);
    let report = lab.incomplete(&mut server, "damage");
    assert_eq!((incarnation(&report), lab.events(&report)), (1, whole(&server)));
    context(&mut server).damaged.clear();
    assert_eq!(incarnation(&lab.complete(&mut server)), 1);
}

#[test]
fn an_open_segment_that_is_damaged_before_the_end_of_what_is_archived_is_named_from_the_archive() {
    let (lab, mut server) = (Lab::new(), server(5));
    lab.complete(&mut server);
    let image = open_segment(&server);
    show(&mut server, image.name(), flipped(image.bytes(), ends(&image)[0] - 10));
    let report = lab.incomplete(&mut server, "damage");
    assert_eq!(lab.events(&report), whole(&server));
    assert!(lab.keeps_damaged(1, image.name()));
    context(&mut server).damaged.clear();
    context(&mut server).append(Store::Events, 1);
    let report = lab.complete(&mut server);
    assert_eq!((incarnation(&report), lab.events(&report)), (1, whole(&server)));
}

#[test]
fn a_good_transaction_behind_damage_in_an_open_segment_proves_that_something_is_lost() {
    let (lab, mut server) = (Lab::new(), server(6));
    context(&mut server).store_mut(Store::Events).roll_now();
    context(&mut server).append(Store::Events, 4);
    let image = open_segment(&server);
    show(&mut server, image.name(), flipped(image.bytes(), ends(&image)[1] + 20));
    let report = lab.incomplete(&mut server, "damage");
    let mut seen = whole(&server);
    seen.get_mut(&image.name()).unwrap().truncate(ends(&image)[1]);
    assert_eq!(lab.events(&report), seen);
    context(&mut server).damaged.clear();
    assert_eq!(lab.events(&lab.complete(&mut server)), whole(&server));
}

#[test]
fn an_equal_transaction_behind_damage_proves_that_it_is_the_same_history() {
    let (lab, mut server) = (Lab::new(), server(7));
    // One segment, and nothing else that could be compared.
    context(&mut server).snapshots = crate::support::segments::StoreImage::new(1_500);
    let open = open_segment(&server);
    let mut only = crate::support::segments::StoreImage::starting_at(open.name().number.get(), 1_500);
    only.insert(image_of(open.name(), 1_500, &blocks(&segment(&server, 1))[..3]));
    context(&mut server).events = only;
    lab.complete(&mut server);
    let image = open_segment(&server);
    show(&mut server, image.name(), flipped(image.bytes(), 30));
    let report = lab.incomplete(&mut server, "damage");
    assert_eq!(lab.events(&report), whole(&server));
}

#[test]
fn another_transaction_behind_damage_makes_it_a_fork() {
    let (lab, mut server) = (Lab::new(), server(8));
    lab.complete(&mut server);
    let image = segment(&server, 1);
    let mut other = blocks(&image);
    let last = other.len() - 1;
    // The last transaction is another one, of the same length.
    let event = other[last].last_mut().unwrap();
    let at = event.len() - 2;
    event[at] ^= 1;
    let mut changed = image_of(image.name(), image.bytes().len(), &other);
    changed.roll();
    show(&mut server, image.name(), flipped(changed.bytes(), ends(&image)[0] + 20));
    let report = lab.incomplete(&mut server, "fork");
    assert_eq!(incarnation(&report), 2);
    let left = lab.record(2).branch.unwrap();
    let before: usize = blocks(&segment(&server, 0)).iter().chain(&blocks(&image)[..1]).map(Vec::len).sum();
    assert_eq!((left.parent, left.token.map(|token| token.get())), (1, Some(before as u64 - 1)));
    // Behind damage nothing is proven.
    lab.incomplete(&mut server, "damage");
    show(&mut server, image.name(), changed.bytes());
    lab.complete(&mut server);
}

#[test]
fn damaged_copies_verify_as_well_as_all_else() {
    let (lab, mut server) = (Lab::new(), server(9));
    let images = [segment(&server, 1), segment(&server, 2), open_segment(&server)];
    for (at, image) in images.iter().enumerate() {
        show(&mut server, image.name(), flipped(image.bytes(), 30 + at * 50));
    }
    lab.backup(&mut server);
    context(&mut server).damaged.clear();
    lab.backup(&mut server);
    let report = verify::verify(
        &lab.archive.open(),
        &VerifyOptions { data: true, ..VerifyOptions::default() },
        &segvault::engine::observe::Unobserved,
    );
    let report = report.unwrap();
    assert!(
        report.findings.iter().all(|finding| format!("{finding:?}").contains("incomplete")
            || !format!("{finding:?}").contains("Damage")),
        "{:?}",
        report.findings
    );
}
