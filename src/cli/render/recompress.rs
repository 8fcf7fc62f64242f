//! What `recompress` did.

use crate::cli::render::units::{bytes, plural, span};
use crate::engine::recompress::Recompressed;

/// The report as people read it.
pub(in crate::cli) fn text(done: &Recompressed, is_dry_run: bool) -> String {
    let planned = format!("{} ({})", plural(done.planned_packs, "pack"), bytes(done.planned_bytes));
    let mut lines = Vec::new();
    if done.planned_packs == 0 {
        lines.push(format!("nothing to write anew: {}", why_nothing(done)));
    } else if is_dry_run {
        lines.push(format!("{planned} would be written anew; nothing was done (dry run)"));
    } else {
        lines.extend(work(done, &planned));
    }
    lines.extend(unfinished(done, is_dry_run).map(str::to_owned));
    lines.extend(warnings(done));
    lines.join("\n") + "\n"
}

fn work(done: &Recompressed, planned: &str) -> Vec<String> {
    let new = format!("{} ({})", plural(done.new_packs, "pack"), bytes(done.new_bytes));
    let of = format!("{} of {}", plural(done.chunks, "chunk"), bytes(done.raw_bytes));
    let marked = format!("{} ({})", plural(done.marked_packs, "old pack"), bytes(done.marked_bytes));
    let mut lines = vec![
        format!("of {planned}: {of} written anew as {new}, in {}", span(done.milliseconds)),
        format!("{marked} marked dead: they stay until a prune deletes what nothing needs"),
    ];
    if done.same_packs > 0 {
        let (are, stay) = if done.same_packs == 1 { ("it was", "stays") } else { ("they were", "stay") };
        lines.push(format!("{} came out as {are}, and {stay}", plural(done.same_packs, "pack")));
    }
    lines
}

const fn why_nothing(done: &Recompressed) -> &'static str {
    match (done.all_looked_at, done.damaged_packs.is_empty()) {
        (false, _) => "no pack is compressed less",
        (true, false) => "no other pack would gain",
        (true, true) => "no pack would gain",
    }
}

fn unfinished(done: &Recompressed, is_dry_run: bool) -> impl Iterator<Item = &'static str> {
    let settled = done.marked_packs + done.same_packs + done.damaged_packs.len() as u64;
    let is_left = done.all_looked_at || done.planned_packs > settled;
    let is_unfinished = is_left && !is_dry_run && !done.finished;
    let looks = "there was no time to look at all small packs that might be joined: the next run goes on";
    let lines = [(is_unfinished, "not finished: the next run goes on"), (!done.all_looked_at, looks)];
    lines.into_iter().filter(|(is_so, _)| *is_so).map(|(_, line)| line)
}

/// What the user has to know whatever else is left out.
pub(in crate::cli) fn warnings(done: &Recompressed) -> Vec<String> {
    let say =
        |pack: &String| format!("pack {pack} is damaged and stays as it is: see 'segvault verify --data'");
    done.damaged_packs.iter().map(say).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::codec::Compression;

    fn done() -> Recompressed {
        Recompressed {
            compression: Compression::Max,
            planned_packs: 3,
            planned_bytes: 3 << 20,
            marked_packs: 2,
            marked_bytes: 2 << 20,
            same_packs: 0,
            new_packs: 1,
            new_bytes: 1 << 20,
            chunks: 7,
            raw_bytes: 9 << 20,
            damaged_packs: Vec::new(),
            all_looked_at: true,
            finished: false,
            milliseconds: 1_500,
        }
    }

    #[test]
    fn what_was_done_and_what_is_left_is_said() {
        let expected = "of 3 packs (3.00 MiB): 7 chunks of 9.00 MiB written anew as 1 pack (1.00 MiB), in 1.5 s\n\
                        2 old packs (2.00 MiB) marked dead: they stay until a prune deletes what nothing needs\n\
                        not finished: the next run goes on\n";
        assert_eq!(text(&done(), false), expected);
        let damaged = Recompressed { damaged_packs: vec!["ab".to_owned()], ..done() };
        assert!(
            text(&damaged, false)
                .ends_with("pack ab is damaged and stays as it is: see 'segvault verify --data'\n")
        );
        assert!(text(&done(), true).ends_with("would be written anew; nothing was done (dry run)\n"));
        assert!(
            text(&Recompressed { planned_packs: 0, finished: true, ..done() }, false)
                == "nothing to write anew: no pack would gain\n"
        );
        let left = Recompressed { planned_packs: 0, finished: true, ..damaged };
        assert_eq!(
            text(&left, false),
            "nothing to write anew: no other pack would gain\n\
             pack ab is damaged and stays as it is: see 'segvault verify --data'\n"
        );
        let short = Recompressed { planned_packs: 0, all_looked_at: false, ..done() };
        let expected = "nothing to write anew: no pack is compressed less\n\
                        there was no time to look at all small packs that might be joined: the next run goes on\n";
        assert_eq!([text(&short, false), text(&short, true)], [expected; 2]);
        let left = Recompressed { finished: false, ..left };
        assert!(
            text(&left, false).contains("not finished: the next run goes on\npack ab"),
            "damage is no excuse"
        );
        let both = text(&Recompressed { all_looked_at: false, ..done() }, false);
        assert!(both.contains("not finished: the next run goes on\nthere was no time to look at"), "{both}");
    }
}
