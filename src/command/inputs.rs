//! What the user asked for, found and read: recipe, scenario and profile, as
//! files or built in.

use std::path::Path;

use crate::error::Mistake;
use crate::plan::Rates;
use crate::spec::scenario::Overrides;
use crate::spec::{Profile, Recipe, Scenario, Source, profile, recipe, scenario, shipped};

/// The recipe that stands for none, on the simulator.
pub const FLAGSHIP: &str = shipped::RECIPE;

/// What several verbs are asked alike.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// A recipe's file or name.
    pub recipe: Option<String>,
    /// A scenario's file or name.
    pub scenario: Option<String>,
    /// What flags change of the scenario.
    pub overrides: Overrides,
    /// The seed of all texts.
    pub seed: u64,
    /// A machine profile's file or name.
    pub profile: Option<String>,
}

impl Asked {
    /// The recipe, or the one that stands for none.
    pub fn recipe(&self, default: Option<&str>) -> Result<Option<Recipe>, Mistake> {
        let Some(wanted) = self.recipe.as_deref().or(default) else { return Ok(None) };
        recipe::read(find(shipped::Kind::Recipe, wanted)?).map(Some)
    }

    /// The scenario with what flags change of it.
    pub fn scenario(&self, default: &str) -> Result<Scenario, Mistake> {
        let wanted = self.scenario.as_deref().unwrap_or(default);
        read_scenario(&find(shipped::Kind::Scenario, wanted)?, &self.overrides)
    }

    /// The machine's profile: the user's, else the recipe's.
    pub fn profile(&self, recipe: Option<&Recipe>) -> Result<Option<Profile>, Mistake> {
        let named = recipe.and_then(|recipe| recipe.profile.as_deref());
        let Some(wanted) = self.profile.as_deref().or(named) else { return Ok(None) };
        profile::read(find(shipped::Kind::Profile, wanted)?).map(Some)
    }

    /// The rates of the machine's profile.
    pub fn rates(&self, recipe: Option<&Recipe>) -> Result<Rates, Mistake> {
        Ok(self.profile(recipe)?.map_or(Rates::Unknown, Rates::Profile))
    }
}

/// What a recipe has to warn of, keys that longhaul does not know among it.
pub fn recipe_warnings(recipe: &Recipe) -> Vec<String> {
    let unknown = recipe.unknown.iter().map(|key| {
        format!("{}: key `{key}` is not known; it is kept and has no effect", recipe.source.origin)
    });
    recipe.warnings.iter().cloned().chain(unknown).collect()
}

/// A scenario's text read, with what flags change of it. Texts that it names stand beside it.
pub fn read_scenario(source: &Source, overrides: &Overrides) -> Result<Scenario, Mistake> {
    let beside = Path::new(&source.origin).parent().map(Path::to_path_buf).unwrap_or_default();
    let load = |name: &str| {
        let path = beside.join(name);
        std::fs::read_to_string(&path).map_err(|why| {
            Mistake::new(format!("{}: {why}", path.display()))
                .at(format!("{} workloads.ladder.text", source.origin))
                .hint("a path beside the scenario, or an absolute one")
        })
    };
    scenario::read(source.clone(), &load)?.with(overrides)
}

/// A scenario as it is needed to judge a run: its texts are not, and may be gone.
pub fn judged_scenario(source: Source, overrides: &Overrides) -> Result<Scenario, Mistake> {
    scenario::read(source, &|_| Ok("not read again\n".to_owned()))?.with(overrides)
}

fn find(kind: shipped::Kind, wanted: &str) -> Result<Source, Mistake> {
    shipped::find(kind, wanted, &|path| std::fs::read_to_string(path))
}
