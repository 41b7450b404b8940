//! What the user asked for, found and read: recipe, scenario and profile, as
//! files, built in, or a recipe from elsewhere.

mod published;

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::Mistake;
use crate::http::reference::{self, Reach};
use crate::plan::Rates;
use crate::spec::recipe::{ReadOptions, ReadRecipe};
use crate::spec::scenario::Overrides;
use crate::spec::{Profile, Recipe, Scenario, SpecFile, profile, recipe, scenario, shipped};
pub(crate) use published::published;

/// The recipe that stands for none, on the simulator.
pub(crate) const FLAGSHIP: &str = shipped::RECIPE;

/// A file that never ends must not fill the memory.
const FILE_BYTES_MAX: u64 = 5 << 20;

/// Options that name recipe, scenario and profile, which several verbs have alike.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Inputs {
    /// A recipe's file, name or reference.
    pub recipe: Option<String>,
    /// How far a reference may reach.
    pub reach: Reach,
    /// A scenario's file or name.
    pub scenario: Option<String>,
    /// What flags change of the scenario.
    pub overrides: Overrides,
    /// The seed of all texts.
    pub seed: u64,
    /// A machine profile's file or name.
    pub profile: Option<String>,
}

impl Inputs {
    /// The recipe, or the one that stands for none. Not to be asked for inside a runtime: one
    /// that lies elsewhere is fetched on a runtime of its own.
    pub(crate) fn recipe(&self, default: Option<&str>) -> Result<Option<Recipe>, Mistake> {
        Ok(self.reading(default)?.map(|reading| reading.recipe))
    }

    /// The recipe with its source and warnings, which starting it needs.
    pub(crate) fn reading(&self, default: Option<&str>) -> Result<Option<ReadRecipe>, Mistake> {
        self.found(default, Err)
    }

    /// The recipe for a launcher that reads it by itself: what is not understood here is handed
    /// on unread.
    pub(crate) fn handed_on(&self) -> Result<Option<ReadRecipe>, Mistake> {
        self.found(None, Ok)
    }

    fn found(
        &self,
        default: Option<&str>,
        not_understood: impl Fn(Mistake) -> Result<Mistake, Mistake>,
    ) -> Result<Option<ReadRecipe>, Mistake> {
        let Some(wanted) = self.recipe.as_deref().or(default) else { return Ok(None) };
        let FoundRecipe { source, folder, warning } = recipe_source(wanted, &self.reach)?;
        let read = recipe::read_as(&source, &ReadOptions::default(), &|name| folder.load(name));
        let mut reading = match read {
            Ok(reading) => reading,
            Err(why) => recipe::unread(source, &not_understood(why)?),
        };
        reading.recipe.warnings.extend(warning);
        Ok(Some(reading))
    }

    /// The scenario with what flags change of it.
    pub(crate) fn scenario(&self, default: &str) -> Result<Scenario, Mistake> {
        let wanted = self.scenario.as_deref().unwrap_or(default);
        read_scenario(&find(shipped::FileKind::Scenario, wanted)?, &self.overrides)
    }

    /// The machine's profile: the user's, else the recipe's.
    pub(crate) fn profile(&self, recipe: Option<&Recipe>) -> Result<Option<Profile>, Mistake> {
        if let Some(wanted) = &self.profile {
            return profile::read(find(shipped::FileKind::Profile, wanted)?).map(Some);
        }
        let Some((recipe, named)) = recipe.and_then(|it| Some((it, it.profile.as_deref()?))) else {
            return Ok(None);
        };
        // What was fetched chooses no file of this machine.
        let source = if reference::is_one(&recipe.source.origin) {
            shipped::profile(named).ok_or_else(|| {
                Mistake::new("a recipe that was fetched may name a shipped profile only")
                    .at(format!("{} metadata.profile", recipe.source.origin))
                    .hint("--profile FILE")
            })?
        } else {
            shipped::find(shipped::FileKind::Profile, named, &|path| read_plain(Path::new(path)))?
        };
        profile::read(source).map(Some)
    }

    /// The rates of the machine's profile.
    pub(crate) fn rates(&self, recipe: Option<&Recipe>) -> Result<Rates, Mistake> {
        Ok(self.profile(recipe)?.map_or(Rates::Unknown, Rates::Profile))
    }
}

/// A recipe as it was found.
pub(crate) struct FoundRecipe {
    pub source: SpecFile,
    /// Where its includes are.
    pub folder: Folder,
    /// What the user must hear of how it was found.
    pub warning: Option<String>,
}

/// The folder in which a recipe's includes stand. One that was fetched stands alone: an include
/// would make a stranger's text choose what is read here.
pub(crate) struct Folder(Option<PathBuf>);

impl Folder {
    /// A file of the folder, `None` where there is none. A link that leads out of it is refused.
    pub(crate) fn load(&self, name: &str) -> Result<Option<String>, Mistake> {
        let Some(folder) = &self.0 else {
            return Err(Mistake::new(
                "a recipe that was fetched stands alone: it includes nothing",
            )
            .at(format!("include: {name}"))
            .hint("fetch both yourself into one folder, and give the path"));
        };
        let path = folder.join(name);
        let Ok(real) = path.canonicalize() else { return Ok(None) };
        if !is_within(&real, folder) {
            return Err(
                Mistake::new(format!("`{name}` leads out of the recipe's folder")).at("include")
            );
        }
        if !real.is_file() {
            return Ok(None);
        }
        let text = read_bounded(&real);
        text.map(Some)
            .map_err(|why| Mistake::new(format!("{}: {why}", path.display())).at("include"))
    }
}

/// A recipe: a reference, a file, a shipped name, or the folder of an Arena submission.
pub(crate) fn recipe_source(wanted: &str, reach: &Reach) -> Result<FoundRecipe, Mistake> {
    if let Some(fetched) = reference::fetched(wanted, reach)? {
        let (source, warning) = (fetched.source, fetched.warning);
        return Ok(FoundRecipe { source, folder: Folder(None), warning });
    }
    let path = Path::new(wanted);
    if path.is_dir() {
        let files = ["recipe.yaml", "recipe.yml", "recipes/recipe.yaml", "recipes/recipe.yml"];
        let Some(file) = files.iter().map(|file| path.join(file)).find(|file| file.is_file())
        else {
            let what = format!("the folder `{wanted}` holds no recipe.yaml");
            return Err(Mistake::new(what).hint("a recipe's file, or the folder of a submission"));
        };
        if !is_within(&file, path) {
            let what = format!("`{}` leads out of the submission's folder", file.display());
            return Err(Mistake::new(what));
        }
        let mut found = recipe_source(&file.to_string_lossy(), reach)?;
        if let Some(name) = path.file_name() {
            found.source.name = name.to_string_lossy().into();
        }
        return Ok(found);
    }
    // A saved command line has any name.
    let is_shipped = shipped::recipe(wanted).is_some();
    let is_plain_file = path.is_file() && !wanted.contains('/') && !is_shipped;
    let name = if is_plain_file { format!("./{wanted}") } else { wanted.to_owned() };
    let read = |name: &str| read_bounded(Path::new(name));
    let mut source = shipped::find(shipped::FileKind::Recipe, &name, &read)?;
    if is_plain_file {
        wanted.clone_into(&mut source.origin);
    }
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
    Ok(FoundRecipe { source, folder: Folder(Some(folder)), warning: None })
}

/// The text of a file that the user named.
///
/// # Errors
/// It cannot be read.
pub(crate) fn text_of(path: &Path) -> std::io::Result<String> {
    read_bounded(path)
}

/// A text file, whole or not at all: a prefix of it would say something else.
fn read_bounded(path: &Path) -> std::io::Result<String> {
    let refused = |why: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, why);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(refused(&format!("it is larger than {} MiB", FILE_BYTES_MAX >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| refused("it is no text in UTF-8"))
}

/// Whether a file lies in a folder, its links followed: what strangers pack must not make us
/// show what lies elsewhere.
fn is_within(path: &Path, folder: &Path) -> bool {
    let real = path.canonicalize().ok().zip(folder.canonicalize().ok());
    real.is_some_and(|(path, folder)| path.starts_with(folder))
}

/// The text of a plain file: at a pipe or a device a reader waits for ever.
///
/// # Errors
/// It is none, or cannot be read.
pub(crate) fn plain_text(path: &Path) -> std::io::Result<String> {
    read_plain(path)
}

/// The same of a plain file only: what somebody else names must not be a pipe or a device, at
/// which a reader waits for ever.
fn read_plain(path: &Path) -> std::io::Result<String> {
    if std::fs::metadata(path)?.is_file() {
        return read_bounded(path);
    }
    Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no plain file"))
}

/// What a recipe has to warn of, keys that longhaul does not know among it.
pub(crate) fn recipe_warnings(recipe: &Recipe) -> Vec<String> {
    let unknown = recipe.unknown.iter().map(|key| {
        format!("{}: key `{key}` is not known; it is kept and has no effect", recipe.source.origin)
    });
    recipe.warnings.iter().cloned().chain(unknown).collect()
}

/// A scenario's text read, with what flags change of it. Texts that it names stand beside it.
pub(crate) fn read_scenario(source: &SpecFile, overrides: &Overrides) -> Result<Scenario, Mistake> {
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
pub(crate) fn judged_scenario(
    source: SpecFile,
    overrides: &Overrides,
) -> Result<Scenario, Mistake> {
    scenario::read(source, &|_| Ok("not read again\n".to_owned()))?.with(overrides)
}

fn find(kind: shipped::FileKind, wanted: &str) -> Result<SpecFile, Mistake> {
    shipped::find(kind, wanted, &|path| read_bounded(Path::new(path)))
}
