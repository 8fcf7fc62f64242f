//! `config`.

use crate::cli::args::ConfigVerb;
use crate::cli::config;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render;
use crate::cli::render::configured::{Shown, ShownValue};
use crate::cli::run::Run;
use serde_json::json;

impl Run<'_> {
    pub(super) fn configured(&self, verb: ConfigVerb) -> Result<Exit, Failure> {
        match verb {
            ConfigVerb::Show => self.show_config(),
            ConfigVerb::Check => self.check_config(),
        }
    }

    fn show_config(&self) -> Result<Exit, Failure> {
        let values = self.config.everything().iter().map(ShownValue::of).collect();
        let path = |path: &std::path::Path| path.display().to_string();
        let shown = Shown {
            file: self.config.path.as_deref().map(path),
            looked_at: self.config.looked_at.iter().map(|looked| path(looked)).collect(),
            profile: self.config.profile.clone(),
            profiles: self.config.profiles().into_iter().map(str::to_owned).collect(),
            values: [self.typed_repository(), values].concat(),
        };
        self.screen.result("config", &shown, || render::configured::text(&shown))?;
        Ok(Exit::Done)
    }

    /// The repository, where it was typed: it is not in the configuration then.
    fn typed_repository(&self) -> Vec<ShownValue> {
        let configured = self.config.text(&config::Section::Top, "repository");
        let typed = self.global.repository.as_ref().map(|path| path.display().to_string());
        let typed = typed.filter(|typed| configured.as_ref() != Some(typed));
        typed.map(|typed| ShownValue::typed("repository", typed)).into_iter().collect()
    }

    fn check_config(&self) -> Result<Exit, Failure> {
        let remarks = config::check(&self.config);
        let is_good = remarks.iter().all(|remark| !remark.is_error);
        let document = json!({
            "file": self.config.path.as_ref().map(|path| path.display().to_string()), "good": is_good, "remarks": remarks,
        });
        self.screen.result("config-check", &document, || {
            render::configured::checked(self.config.path.as_deref(), &remarks)
        })?;
        Ok(match (is_good, remarks.is_empty()) {
            (false, _) => Exit::Usage,
            (true, false) => Exit::Incomplete,
            (true, true) => Exit::Done,
        })
    }
}
