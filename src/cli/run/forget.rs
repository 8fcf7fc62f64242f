//! `forget`.

use crate::cli::args::{Forget, GroupBy, PolicyArgs, policy_words};
use crate::cli::duration::milliseconds;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::render;
use crate::cli::run::Run;
use crate::cli::run::profile::Done;
use crate::cli::text_file;
use crate::engine::retention;
use crate::engine::retention::{ForgetOptions, ForgetReport, Period, Policy, Wanted};
use std::path::Path;

impl Run<'_> {
    /// Without `--yes` it says what it would do, and asks if it can: which points go should be seen before they go.
    pub(super) fn forget(&self, asked: &Forget) -> Result<Exit, Failure> {
        let progress = Progress::new(self.screen, self.signals.clone());
        if asked.undo {
            let which = (asked.points.as_slice(), asked.source.as_deref(), self.global.dry_run);
            let report = retention::remember(&self.open()?, which, &progress)?;
            self.screen.report("remember", &report, || render::forget::remembered(&report))?;
            return Ok(Exit::Done);
        }
        drop(progress);
        let report = self.forgotten(asked, self.global.dry_run || !self.global.yes)?;
        let asks = report.dry_run && report.forgotten > 0 && self.can_ask();
        if report.dry_run {
            self.screen.result("forget", &report, || render::forget::text(&report, !asks))?;
        } else {
            self.screen.report("forget", &report, || render::forget::text(&report, true))?;
        }
        if asks {
            self.forget_seen(asked, &report)?;
        }
        Ok(Exit::Done)
    }

    /// Forgets the points that were seen to go, and no others, if the answer is yes.
    fn forget_seen(&self, asked: &Forget, seen: &ForgetReport) -> Result<(), Failure> {
        if !self.answers("forget them? Type yes:", "yes")? {
            return self.screen.step("nothing was forgotten\n");
        }
        let leaving = seen.points.iter().filter(|point| !point.keep);
        let wanted = Wanted::Points(leaving.map(|point| point.number.to_string()).collect());
        let options = ForgetOptions { wanted, dry_run: false, ..forget_options(asked)? };
        let progress = Progress::new(self.screen, self.signals.clone());
        let report = retention::forget(&self.open()?, &options, &progress)?;
        drop(progress);
        self.screen.step(&render::forget::done(&report, false))
    }

    pub(super) fn forget_done(&self, asked: &Forget, dry_run: bool) -> Result<Done, Failure> {
        let report = self.forgotten(asked, dry_run)?;
        Done::new(Exit::Done, &report, render::forget::text(&report, true))
    }

    fn forgotten(&self, asked: &Forget, dry_run: bool) -> Result<ForgetReport, Failure> {
        let progress = Progress::new(self.screen, self.signals.clone());
        let options = ForgetOptions { dry_run, ..forget_options(asked)? };
        Ok(retention::forget(&self.open()?, &options, &progress)?)
    }
}

fn forget_options(asked: &Forget) -> Result<ForgetOptions, Failure> {
    let rules = match &asked.policy {
        Some(path) => from_file(path, &asked.rules)?,
        None => asked.rules.clone(),
    };
    let policy = policy(&rules);
    if !asked.points.is_empty() && !policy.is_empty() {
        return Err(Failure::Usage {
            message: "points and rules were given".to_owned(),
            hint: "give either the points to forget, or the rules that keep points",
        });
    }
    let reason = asked.reason.clone().unwrap_or_else(|| words(&rules));
    let wanted = if policy.is_empty() {
        Wanted::Points(asked.points.clone())
    } else {
        Wanted::Policy { policy, by_source: asked.group_by == GroupBy::Source }
    };
    Ok(ForgetOptions { wanted, source: asked.source.clone(), reason, dry_run: true })
}

/// The rules of a file; those that were typed count beside them.
fn from_file(path: &Path, typed: &PolicyArgs) -> Result<PolicyArgs, Failure> {
    let text = text_file::read(path).map_err(|source| Failure::File { path: path.to_path_buf(), source })?;
    let read = policy_words(&text).map_err(|why| Failure::Usage {
        message: format!("{}: {why}", path.display()),
        hint: "write one rule a line, like 'keep-daily 7'",
    })?;
    let typed = typed.clone();
    Ok(PolicyArgs {
        keep_last: typed.keep_last.or(read.keep_last),
        keep_within: typed.keep_within.or(read.keep_within),
        keep_hourly: typed.keep_hourly.or(read.keep_hourly),
        keep_daily: typed.keep_daily.or(read.keep_daily),
        keep_weekly: typed.keep_weekly.or(read.keep_weekly),
        keep_monthly: typed.keep_monthly.or(read.keep_monthly),
        keep_yearly: typed.keep_yearly.or(read.keep_yearly),
        keep_tags: [read.keep_tags, typed.keep_tags].concat(),
    })
}

fn periods(rules: &PolicyArgs) -> Vec<(Period, u64)> {
    let all = [
        (Period::Hourly, rules.keep_hourly),
        (Period::Daily, rules.keep_daily),
        (Period::Weekly, rules.keep_weekly),
        (Period::Monthly, rules.keep_monthly),
        (Period::Yearly, rules.keep_yearly),
    ];
    all.into_iter().filter_map(|(period, count)| Some((period, count.filter(|count| *count > 0)?))).collect()
}

fn policy(rules: &PolicyArgs) -> Policy {
    let within_ms = rules.keep_within.map(milliseconds);
    Policy {
        last: rules.keep_last.unwrap_or(0),
        within_ms,
        periods: periods(rules),
        tags: rules.keep_tags.clone(),
    }
}

/// The rules in words, for the act: `keep last 7, daily 30`.
fn words(rules: &PolicyArgs) -> String {
    let mut words = Vec::new();
    words.extend(rules.keep_last.map(|count| format!("last {count}")));
    words.extend(rules.keep_within.map(|within| format!("within {} s", within.as_secs())));
    words.extend(periods(rules).iter().map(|(period, count)| format!("{} {count}", period.name())));
    words.extend(rules.keep_tags.iter().map(|(key, value)| format!("tag {key}={value}")));
    if words.is_empty() { "named".to_owned() } else { format!("keep {}", words.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_in_a_file_says_what_its_flags_say() {
        let file = "# ours\nkeep-daily 7\n\nkeep-within 30d\nkeep-tag why=before the upgrade\n";
        let read = policy_words(file).unwrap();
        assert_eq!(words(&read), "keep within 2592000 s, daily 7, tag why=before the upgrade");
        assert!(!policy(&read).is_empty());
        for text in
            ["", "keep-last 0", "keep-daily 0\nkeep-last 0", "keep-within 0", "keep-last 1", "keep-tag a=b"]
        {
            let rules = policy_words(text).unwrap();
            assert_eq!(policy(&rules).is_empty(), !rules.keeps_anything(), "{text}");
        }
    }

    #[test]
    fn what_is_no_rule_is_refused_with_its_line() {
        for (file, line) in
            [("keep-daily 7\nkeep-dally 3", "line 2"), ("keep-last", "line 1"), ("help", "line 1")]
        {
            assert!(policy_words(file).unwrap_err().starts_with(line), "{file}");
        }
    }
}
