//! Finds and reads the user's recipe, scenario and profile: files, built-in texts, or a recipe
//! behind a reference.

mod published;

use std::io::Read;
use std::path::{Path, PathBuf};

use super::hide;
use crate::error::Mistake;
use crate::http::reference::{self, FetchPermissions};
use crate::plan::Rates;
use crate::secret::Secrets;
use crate::spec::recipe::{ReadOptions, ReadRecipe};
use crate::spec::scenario::Overrides;
use crate::spec::{Profile, Recipe, Scenario, SpecFile, profile, recipe, scenario, shipped};
pub(crate) use published::{published, split_choice};

/// Recipe that the simulator uses where the user gives none.
pub(crate) const DEFAULT_RECIPE: &str = shipped::RECIPE;

/// Limit of a file: one that never ends must not fill the memory.
const FILE_BYTES_MAX: u64 = 5 << 20;

/// Options that name recipe, scenario and profile, shared by several verbs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Inputs {
    /// Recipe's file, name or reference.
    pub recipe: Option<String>,
    /// Permissions for references.
    pub reach: FetchPermissions,
    /// Scenario's file or name.
    pub scenario: Option<String>,
    /// Changes that flags make to the scenario.
    pub overrides: Overrides,
    /// Seed of all texts.
    pub seed: u64,
    /// Machine profile's file or name.
    pub profile: Option<String>,
    /// Texts of a run that goes on, in place of the files.
    pub kept: KeptTexts,
}

/// Texts that a run folder keeps.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct KeptTexts {
    pub recipe: Option<SpecFile>,
    pub scenario: Option<SpecFile>,
    pub profile: Option<SpecFile>,
}

impl Inputs {
    /// Reads the recipe, or the default. Must not be called inside a runtime: a fetch needs a
    /// runtime of its own.
    pub(crate) fn recipe(&self, default: Option<&str>) -> Result<Option<Recipe>, Mistake> {
        Ok(self.reading(default)?.map(|reading| reading.recipe))
    }

    /// Reads the recipe with its source and warnings, which starting it needs.
    pub(crate) fn reading(&self, default: Option<&str>) -> Result<Option<ReadRecipe>, Mistake> {
        self.found(default, false)
    }

    /// Reads the recipe for a launcher that reads the file directly: a recipe that longhaul cannot parse
    /// is passed on unread.
    pub(crate) fn handed_on(&self) -> Result<Option<ReadRecipe>, Mistake> {
        self.found(None, true)
    }

    fn found(
        &self,
        default: Option<&str>,
        passes_on_unread: bool,
    ) -> Result<Option<ReadRecipe>, Mistake> {
        let Some(wanted) = self.recipe.as_deref().or(default) else { return Ok(None) };
        let found = match self.kept.recipe.clone() {
            Some(source) => kept_recipe(source),
            None => recipe_source(wanted, &self.reach)?,
        };
        let mut reading = match found.read(&ReadOptions::default()) {
            Ok(reading) => reading,
            Err(why) if passes_on_unread => recipe::unread(found.source, &why),
            Err(why) => return Err(why),
        };
        reading.recipe.warnings.extend(found.warning);
        Ok(Some(reading))
    }

    /// Reads the scenario, with the changes of the flags.
    pub(crate) fn scenario(&self, default: &str) -> Result<Scenario, Mistake> {
        if let Some(kept) = &self.kept.scenario {
            return read_scenario(kept, &self.overrides);
        }
        let wanted = self.scenario.as_deref().unwrap_or(default);
        read_scenario(&find(shipped::FileKind::Scenario, wanted)?, &self.overrides)
    }

    /// Reads the machine profile: the user's, else the recipe's.
    pub(crate) fn profile(&self, recipe: Option<&Recipe>) -> Result<Option<Profile>, Mistake> {
        if let Some(kept) = self.kept.profile.clone() {
            return profile::read(kept).map(Some);
        }
        if let Some(wanted) = &self.profile {
            return profile::read(find(shipped::FileKind::Profile, wanted)?).map(Some);
        }
        let Some((recipe, named)) = recipe.and_then(|it| Some((it, it.profile.as_deref()?))) else {
            return Ok(None);
        };
        // A fetched recipe must not choose files of this machine.
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

    /// Returns the rates of the machine profile.
    pub(crate) fn rates(&self, recipe: Option<&Recipe>) -> Result<Rates, Mistake> {
        Ok(self.profile(recipe)?.map_or(Rates::Unknown, Rates::Profile))
    }
}

/// Recipe with its place.
pub(crate) struct FoundRecipe {
    pub source: SpecFile,
    /// Folder of its includes.
    pub folder: Folder,
    /// Warning about how it was found.
    pub warning: Option<String>,
}

impl FoundRecipe {
    /// Reads the recipe, and hides its keys from then on: no verb can print them by mistake.
    ///
    /// # Errors
    /// The recipe is not understood.
    pub(crate) fn read(&self, options: &ReadOptions) -> Result<ReadRecipe, Mistake> {
        let read = |options: &ReadOptions| {
            let read = recipe::read_as(&self.source, options, &|name| self.folder.load(name))?;
            hide(&secrets(&read.recipe));
            Ok(read)
        };
        if !options.set.is_empty() {
            // A key that is replaced may stand in the command too.
            let _: Result<ReadRecipe, Mistake> = read(&ReadOptions::default());
        }
        read(options)
    }
}

/// Collects the keys among a recipe's variables.
pub(crate) fn secrets(recipe: &Recipe) -> Secrets {
    let mut secrets = Secrets::default();
    for (name, value) in &recipe.env {
        secrets.add_variable(name, value);
        if value.contains("://") {
            secrets.add_address(value);
        }
    }
    secrets
}

/// Folder that holds a recipe's includes. A fetched recipe has none: an include would let an
/// untrusted text choose which files are read here.
pub(crate) struct Folder(Option<PathBuf>);

impl Folder {
    /// Reads a file of the folder, `None` where there is none. A link that leads out of it is
    /// refused.
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

/// Returns the recipe of a run that goes on. Its includes are beside the file that it was read from.
fn kept_recipe(source: SpecFile) -> FoundRecipe {
    let is_file = !reference::is_one(&source.origin);
    let folder = is_file.then(|| folder_of(Path::new(&source.origin)));
    FoundRecipe { source, folder: Folder(folder), warning: None }
}

/// Returns the folder of a file.
fn folder_of(path: &Path) -> PathBuf {
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder }
}

/// Finds a recipe: a reference, a file, a shipped name, or the folder of an Arena submission.
pub(crate) fn recipe_source(
    wanted: &str,
    reach: &FetchPermissions,
) -> Result<FoundRecipe, Mistake> {
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
    // A saved command line may have any file name.
    let is_shipped = shipped::recipe(wanted).is_some();
    let is_plain_file = path.is_file() && !wanted.contains('/') && !is_shipped;
    let name = if is_plain_file { format!("./{wanted}") } else { wanted.to_owned() };
    let read = |name: &str| read_bounded(Path::new(name));
    let mut source = shipped::find(shipped::FileKind::Recipe, &name, &read)?;
    if is_plain_file {
        wanted.clone_into(&mut source.origin);
    }
    Ok(FoundRecipe { source, folder: Folder(Some(folder_of(path))), warning: None })
}

/// Reads the text of a file that the user named.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn text_of(path: &Path) -> std::io::Result<String> {
    read_bounded(path)
}

/// Opens a file that the user named. A named pipe would wait until somebody writes to it; the pipe
/// that a shell makes of `<(…)` is open already.
fn opened(path: &Path) -> std::io::Result<std::fs::File> {
    let is_open = path.starts_with("/dev/fd") || path == Path::new("/dev/stdin");
    if !is_open {
        check_regular(path)?;
    }
    std::fs::File::open(path)
}

fn check_regular(path: &Path) -> std::io::Result<()> {
    let kind = std::fs::metadata(path)?.file_type();
    let what = if kind.is_dir() { "it is a folder" } else { "it is not a regular file" };
    let wrong = || std::io::Error::new(std::io::ErrorKind::InvalidInput, what);
    kind.is_file().then_some(()).ok_or_else(wrong)
}

/// Reads a text file, whole or not at all: a part of it would mean something else.
fn read_bounded(path: &Path) -> std::io::Result<String> {
    let refused = |why: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, why);
    let mut bytes = Vec::new();
    let file = opened(path)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(refused(&format!("it is larger than {} MiB", FILE_BYTES_MAX >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8 text"))
}

/// Whether a file is in a folder after its links are resolved: a foreign archive must not make
/// longhaul show files from elsewhere.
fn is_within(path: &Path, folder: &Path) -> bool {
    let real = path.canonicalize().ok().zip(folder.canonicalize().ok());
    real.is_some_and(|(path, folder)| path.starts_with(folder))
}

/// Reads the text of a regular file; a read from a pipe or a device would never end.
///
/// # Errors
/// The path is not a regular file, or cannot be read.
pub(crate) fn plain_text(path: &Path) -> std::io::Result<String> {
    read_plain(path)
}

/// Reads a regular file only: a path from somebody else's text must not be a pipe or a device, from
/// which a read would never end.
fn read_plain(path: &Path) -> std::io::Result<String> {
    check_regular(path)?;
    read_bounded(path)
}

/// Returns a recipe's warnings, including its unknown keys.
pub(crate) fn recipe_warnings(recipe: &Recipe) -> Vec<String> {
    let unknown = recipe.unknown.iter().map(|key| {
        format!("{}: key `{key}` is not known; it is kept and has no effect", recipe.source.origin)
    });
    recipe.warnings.iter().cloned().chain(unknown).collect()
}

/// Parses a scenario's text with the changes of the flags. The texts that it names are beside it.
pub(crate) fn read_scenario(source: &SpecFile, overrides: &Overrides) -> Result<Scenario, Mistake> {
    let beside = Path::new(&source.origin).parent().map(Path::to_path_buf).unwrap_or_default();
    let load = |name: &str| {
        let path = beside.join(name);
        opened(&path).and_then(std::io::read_to_string).map_err(|why| {
            Mistake::new(format!("{}: {why}", path.display()))
                .at(format!("{} workloads.ladder.text", source.origin))
                .hint("a path beside the scenario, or an absolute one")
        })
    };
    scenario::read(source.clone(), &load)?.with(overrides)
}

/// Parses a scenario for judging a run: its texts are not needed, and may be gone.
pub(crate) fn judged_scenario(
    source: SpecFile,
    overrides: &Overrides,
) -> Result<Scenario, Mistake> {
    scenario::read(source, &|_| Ok("not read again\n".to_owned()))?.with(overrides)
}

fn find(kind: shipped::FileKind, wanted: &str) -> Result<SpecFile, Mistake> {
    shipped::find(kind, wanted, &|path| read_bounded(Path::new(path)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use insta::assert_snapshot;
    use tempfile::TempDir;

    use super::*;
    use crate::shown::named;

    const RECIPE: &str = "model: org/m\ncommand: vllm serve org/m\n";

    /// Creates a folder with files; names may have a folder.
    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = TempDir::new().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    /// Returns a mistake, or what was there in its place, with the folder's name in place of its
    /// path.
    fn reported<T>(
        folder: &TempDir,
        result: Result<T, impl ToString>,
        shown: impl Fn(T) -> String,
    ) -> String {
        let reported = result.map_or_else(|wrong| wrong.to_string(), shown);
        named(&reported, &[(&folder.path().display().to_string(), "FOLDER")])
    }

    #[test]
    fn a_recipe_is_a_file_or_a_shipped_name_or_in_the_folder_of_a_submission() {
        let folder = folder(&[
            ("file.yaml", RECIPE),
            ("one/recipe.yml", RECIPE),
            ("two/recipes/recipe.yaml", RECIPE),
            ("none/benchmark.csv", ""),
        ]);
        let found = |name: &str| {
            let path = folder.path().join(name).display().to_string();
            reported(&folder, recipe_source(&path, &FetchPermissions::default()), |found| {
                format!("{} at {}", found.source.name, found.source.origin)
            })
        };
        let names = ["file.yaml", "one", "two", "none", "gone.yaml", "gone"];
        assert_snapshot!(
            "found",
            names.map(|name| format!("{name}\n{}", found(name))).join("\n\n")
        );
        let shipped =
            recipe_source(DEFAULT_RECIPE, &FetchPermissions::default()).ok().unwrap().source;
        assert_eq!(shipped.origin, format!("shipped:{DEFAULT_RECIPE}"));
    }

    #[cfg(unix)]
    #[test]
    fn no_link_of_a_foreign_folder_leads_out_of_it() {
        let folder = folder(&[("outside.yaml", RECIPE), ("in/beside.yaml", RECIPE)]);
        let inside = folder.path().join("in");
        let link = |name: &str| {
            std::os::unix::fs::symlink(folder.path().join("outside.yaml"), inside.join(name))
                .unwrap();
        };
        link("recipe.yaml");
        link("link.yaml");
        fs::create_dir(inside.join("map.yaml")).unwrap();
        let submission = recipe_source(&inside.display().to_string(), &FetchPermissions::default());
        assert_snapshot!(reported(&folder, submission, |found| found.source.origin), @"error: `FOLDER/in/recipe.yaml` leads out of the submission's folder");
        let includes = Folder(Some(inside.clone()));
        let loaded =
            |name: &str| reported(&folder, includes.load(name), |text| format!("{text:?}"));
        let names = ["beside.yaml", "gone.yaml", "map.yaml", "link.yaml", "../outside.yaml"];
        assert_snapshot!(
            "includes",
            names.map(|name| format!("{name}\n{}", loaded(name))).join("\n\n")
        );
    }

    #[test]
    fn a_fetched_recipe_chooses_no_file_of_this_machine() {
        assert_snapshot!(Folder(None).load("base.yaml").unwrap_err(), @"
            error: a recipe that was fetched stands alone: it includes nothing
               at: include: base.yaml
              try: fetch both yourself into one folder, and give the path
        ");
        let recipe = |profile: &str| {
            let text = format!("{RECIPE}metadata: {{profile: {profile}}}\n");
            let source = SpecFile { name: "r".into(), origin: "@spark-arena/0a1b".into(), text };
            recipe::read(source).unwrap()
        };
        let profile = |name: &str| Inputs::default().profile(Some(&recipe(name)));
        assert_snapshot!(profile("./mine.yaml").unwrap_err(), @"
            error: a recipe that was fetched may name a shipped profile only
               at: @spark-arena/0a1b metadata.profile
              try: --profile FILE
        ");
        let shipped = profile("dgx-spark-nemotron-3-super").unwrap().unwrap();
        assert_eq!(shipped.source.origin, "shipped:dgx-spark-nemotron-3-super");
    }

    #[test]
    fn a_profile_is_the_users_else_the_recipes_and_never_a_device() {
        let named = |profile: &str| {
            let text = format!("{RECIPE}metadata: {{profile: {profile}}}\n");
            recipe::read(SpecFile { name: "r".into(), origin: "r.yaml".into(), text }).unwrap()
        };
        assert_eq!(Inputs::default().profile(None), Ok(None));
        let plain = recipe::read(SpecFile {
            name: "r".into(),
            origin: "r.yaml".into(),
            text: RECIPE.into(),
        });
        assert_eq!(Inputs::default().profile(Some(&plain.unwrap())), Ok(None));
        assert_snapshot!(Inputs::default().profile(Some(&named("/dev/zero"))).unwrap_err(), @"
            error: the profile `/dev/zero` cannot be read: it is not a regular file
               at: /dev/zero
              try: a path, or a shipped profile: dgx-spark-nemotron-3-super
        ");
        let asked = Inputs { profile: Some("no-such-profile".into()), ..Inputs::default() };
        assert_snapshot!(asked.profile(Some(&named("/dev/zero"))).unwrap_err(), @"
            error: no profile is shipped or there under `no-such-profile`
              try: a path, or a shipped profile: dgx-spark-nemotron-3-super
        ");
    }

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let folder = folder(&[("latin.yaml", ""), ("endless.yaml", "")]);
        fs::write(folder.path().join("latin.yaml"), b"model: \xe9\n").unwrap();
        let endless = fs::File::create(folder.path().join("endless.yaml")).unwrap();
        endless.set_len(FILE_BYTES_MAX + 1).unwrap();
        let names = ["latin.yaml", "endless.yaml", "gone.yaml"];
        let read = |name: &str| reported(&folder, text_of(&folder.path().join(name)), |text| text);
        assert_snapshot!(names.map(|name| format!("{name}: {}", read(name))).join("\n"), @"
            latin.yaml: it is not UTF-8 text
            endless.yaml: it is larger than 5 MiB
            gone.yaml: No such file or directory (os error 2)
        ");
        assert_snapshot!(reported(&folder, plain_text(folder.path()), |text| text), @"it is a folder");
    }

    #[test]
    fn a_recipe_that_is_not_understood_is_handed_on_unread_and_refused_elsewhere() {
        let folder = folder(&[("odd.yaml", "model: m\ndefaults: {a: 1_000}\n")]);
        let recipe = folder.path().join("odd.yaml").display().to_string();
        let inputs = Inputs { recipe: Some(recipe), ..Inputs::default() };
        let refused = inputs.reading(None).map(|_| ());
        assert_snapshot!(reported(&folder, refused, |()| "read".to_owned()), @r#"
            error: `1_000` without quotes may be another number to a YAML parser, and is not read
               at: FOLDER/odd.yaml:2
              try: "1_000", as a string
        "#);
        let handed = inputs.handed_on().unwrap().unwrap().recipe;
        let warnings =
            reported(&folder, Err::<(), _>(handed.warnings.join("\n")), |()| String::new());
        assert_snapshot!(warnings, @"FOLDER/odd.yaml:2: `1_000` without quotes may be another number to a YAML parser, and is not read; the recipe is handed on unread: nothing that it declares is known or compared");
    }

    #[test]
    fn a_text_of_a_scenario_stands_beside_it() {
        let ladder =
            "ladder: {depths: [0], prompt: 8, output: 8, concurrency: [1], text: [own.txt]}";
        let text = format!("laps: 2\nreference: 0 laps\nworkloads:\n  - {ladder}\n");
        let folder = folder(&[("s.yaml", &text)]);
        let origin = folder.path().join("s.yaml").display().to_string();
        let source = SpecFile { name: "s".into(), origin, text };
        let read = || read_scenario(&source, &Overrides::default());
        assert_snapshot!(reported(&folder, read(), |_| "read".to_owned()), @"
            error: FOLDER/own.txt: No such file or directory (os error 2)
               at: FOLDER/s.yaml workloads.ladder.text
              try: a path beside the scenario, or an absolute one
        ");
        assert!(judged_scenario(source.clone(), &Overrides::default()).is_ok(), "it may be gone");
        fs::write(folder.path().join("own.txt"), "words of its own\n").unwrap();
        assert!(read().is_ok());
    }

    #[test]
    fn a_key_that_has_no_effect_is_told() {
        let text = format!("{RECIPE}frobnicate: 3\n");
        let recipe = recipe::read(SpecFile { name: "r".into(), origin: "r.yaml".into(), text });
        assert_snapshot!(recipe_warnings(&recipe.unwrap()).join("\n"), @"r.yaml: key `frobnicate` is not known; it is kept and has no effect");
    }
}
