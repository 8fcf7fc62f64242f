//! Giants: transactions longer than any window, and many of everything. Small here; in full size with `SEGVAULT_GIANTS=1`, which takes minutes and
//! several GiB.

use crate::support::program::{Room, backup_data};
use crate::support::segments::block;
use segvault::repo::format::act::{self, Act, Deed, PointRef};
use segvault::repo::format::config::Config;
use segvault::repo::format::moment::Moment;
use segvault::repo::format::point::Point;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// The full size, or one for every day.
fn size(every_day: usize, full: usize) -> usize {
    if std::env::var_os("SEGVAULT_GIANTS").is_some() { full } else { every_day }
}

/// An event that is nothing but a payload (field 6, in it field 3) of so many bytes that no codec can shrink.
fn event(random: &mut fastrand::Rng, length: usize) -> Vec<u8> {
    let varint = |mut number: usize| {
        let mut bytes = Vec::new();
        while number > 0x7f {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    };
    let data = std::iter::repeat_with(|| random.u8(..)).take(length);
    let mut payload = [vec![0x1a], varint(length)].concat();
    payload.extend(data);
    let mut event = vec![0x28, 9, 0x32];
    event.extend(varint(payload.len()));
    event.append(&mut payload);
    event
}

/// A segment of these transactions, with an end, exactly as long as that.
fn write(path: &Path, transactions: &[Vec<Vec<u8>>], end: [u8; 4]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = BufWriter::new(File::create(path).unwrap());
    file.write_all(&[2, 0, 0, 0, 0]).unwrap();
    for events in transactions {
        file.write_all(&block(events)).unwrap();
    }
    file.write_all(&end).unwrap();
    file.flush().unwrap();
}

/// Byte for byte the same, without both in memory as text when they are not.
fn same(one: &Path, other: &Path) {
    assert!(fs::read(one).unwrap() == fs::read(other).unwrap(), "{} differs", other.display());
}

#[test]
fn a_transaction_longer_than_any_window_comes_back() {
    let mut random = fastrand::Rng::with_seed(4);
    let (room, mib) = (Room::new(), 1 << 20);
    let data = room.path("data");
    let many = |random: &mut fastrand::Rng, bytes: usize| vec![event(random, 64 << 10); bytes / (64 << 10)];
    let giant = many(&mut random, size(30 * mib, 600 * mib));
    let next = giant.len() + 1;
    let small = vec![event(&mut random, 100)];
    write(&data.join("default/00000000000000000000.events"), &[small.clone(), giant], [0xff; 4]);
    let open = format!("default/{next:020}.events");
    // An event of a giant size, in the segment that is read without a map.
    let large = vec![event(&mut random, size(26 * mib, 200 * mib))];
    write(&data.join(&open), &[small.clone(), large, small], [0; 4]);
    for more in ["", " --reread --no-mmap"] {
        let report = room.document(0, "backup", &format!("{}{more}", backup_data(&data)));
        assert_eq!(report["complete"], true);
    }
    room.ends(0, "verify --data");
    room.restore(0, "latest", "out");
    for name in ["default/00000000000000000000.events", open.as_str()] {
        same(&data.join(name), &room.path("out/data").join(name));
    }
    // One bit in the middle of the giant is found.
    let path = data.join(&open);
    crate::support::program::flip(&path, fs::metadata(&path).unwrap().len() / 2);
    let report = room.document(3, "backup", &backup_data(&data));
    assert_eq!(report["findings"][0]["what"], "damage");
}

/// Runs the program with two threads, and gives the most KiB that it was seen to hold. What the system says of a child that has ended counts what its
/// parent held, too.
fn peak(room: &Room, line: &str) -> u64 {
    let mut command = room.command(line);
    let mut child = command.env("RAYON_NUM_THREADS", "2").stdout(Stdio::null()).spawn().unwrap();
    let (status, mut peak) = (format!("/proc/{}/status", child.id()), 0);
    loop {
        let now = fs::read_to_string(&status).unwrap_or_default();
        let most = now.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
        // It never falls, and is gone as soon as the program has ended.
        peak = most.map_or(peak, |most| most.parse().unwrap());
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "{line}");
            return peak;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_does_not_get_shorter_takes_no_more_memory_than_is_allowed() {
    let mut random = fastrand::Rng::with_seed(7);
    let room = Room::new();
    let data = room.path("data");
    // Payloads that are encrypted, in events that are not.
    let transactions: Vec<_> =
        std::iter::repeat_with(|| vec![event(&mut random, 2000)]).take(size(10_000, 200_000)).collect();
    let segment = "default/00000000000000000000.events";
    write(&data.join(segment), &transactions, [0xff; 4]);
    let open = format!("default/{:020}.events", transactions.len());
    write(&data.join(open), &[vec![event(&mut random, 20)]], [0; 4]);
    drop(transactions);
    let target = room.path("out");
    for line in [
        format!("{} --memory 256MiB --no-mmap", backup_data(&data)),
        "verify --data".to_owned(),
        format!("restore latest --target {}", target.display()),
    ] {
        let peak = peak(&room, &line);
        assert!((1..=256 << 10).contains(&peak), "{line}: {peak} KiB");
    }
    same(&data.join(segment), &target.join("data").join(segment));
}

#[test]
fn many_contexts_and_many_segments_are_no_trouble() {
    let mut random = fastrand::Rng::with_seed(5);
    let room = Room::new();
    let data = room.path("data");
    let (contexts, segments) = (size(30, 200), size(300, 100_000));
    for context in 0..contexts {
        write(
            &data.join(format!("context-{context}/00000000000000000000.events")),
            &[vec![event(&mut random, 20)]],
            [0; 4],
        );
    }
    let directory = data.join("many");
    for number in 0..segments {
        let end = if number + 1 < segments { [0xff; 4] } else { [0; 4] };
        write(&directory.join(format!("{number:020}.events")), &[vec![event(&mut random, 20)]], end);
    }
    for round in 0..size(3, 5) {
        let report = room.document(0, "backup", &backup_data(&data));
        assert_eq!(report["contexts"].as_array().unwrap().len(), contexts + 1);
        let many =
            report["contexts"].as_array().unwrap().iter().find(|context| context["name"] == "many").unwrap();
        let skipped = if round < 2 { 0 } else { segments - 1 };
        assert_eq!(
            many["events"]["skipped_segments"], skipped,
            "what two points have read is not read again"
        );
    }
    room.ends(0, "verify");
    let (shown, _) = room.ends(0, "show");
    assert_eq!(shown.matches(".events").count(), contexts + segments);
    room.restore(0, "latest", "out");
    let last = format!("many/{:020}.events", segments - 1);
    same(&data.join(&last), &room.path("out/data").join(&last));
}

/// Makes one point an hour of the only one, up to now, and an act for each: what years of backups and proofs leave.
fn years(repository: &Path, hours: u64) {
    let first = repository.join("points/1.json");
    let mut point = Point::decode(&fs::read(&first).unwrap()).unwrap();
    let naming = Config::decode(&fs::read(repository.join("segvault.json")).unwrap()).unwrap().naming;
    let now = point.body.at.0;
    fs::remove_file(first).unwrap();
    let mut before = None;
    for number in 1..=hours {
        let at = Moment(now - i64::try_from(hours - number).unwrap() * 3_600_000);
        (point.number, point.body.at) = (number, at);
        let bytes = point.encode().unwrap();
        fs::write(repository.join(format!("points/{number}.json")), &bytes).unwrap();
        point.previous = Some(naming.file(&bytes));
        let held = PointRef { number, blake3: naming.file(&bytes) };
        let deed = Deed::Drilled { point: held, seconds: 12, passed: true };
        let (kind, version, repository_id) = (act::TYPE.to_owned(), act::VERSION, point.repository.clone());
        let act = Act { kind, version, number, previous: before, repository: repository_id, at, deed };
        let act = act.encode().unwrap();
        fs::write(repository.join(format!("acts/{number}.json")), &act).unwrap();
        before = Some(naming.file(&act));
    }
}

#[test]
fn many_points_and_many_acts_are_no_trouble() {
    let mut random = fastrand::Rng::with_seed(6);
    let (room, many) = (Room::new(), size(300, 10_000));
    let data = room.path("data");
    let path = data.join("default/00000000000000000000.events");
    let mut events = vec![vec![event(&mut random, 100)]];
    write(&path, &events, [0; 4]);
    room.ends(0, &backup_data(&data));
    years(&room.repository(), many as u64);
    events.push(vec![event(&mut random, 100)]);
    write(&path, &events, [0; 4]);
    let report = room.document(0, "backup", &backup_data(&data));
    assert_eq!(report["point"]["number"], many + 1);
    assert_eq!(room.points().len(), many + 1);
    room.ends(0, "verify");
    room.ends(0, "forget --keep-daily 7 --yes");
    room.ends(0, "prune --yes");
    assert!(room.points().len() <= 9);
    room.restore(0, "latest", "out");
    same(&path, &room.path("out/data/default/00000000000000000000.events"));
}
