//! Resolves a recipe's reference to its text, over the network or from the cache.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{env, fs, io::Read};

use super::remote::{self, BYTES_MAX, FetchError, Remote};
use crate::digest::sha256;
use crate::error::Mistake;
use crate::escape::one_line;
use crate::spec::{SpecFile, recipe};
use crate::timeline::wall_text;
use crate::unit::micros;

/// Host that is allowed by default. Its recipes are still untrusted.
const HOST: &str = "spark-arena.com";

/// Limit of a fetch.
const TIME_MAX: Duration = Duration::from_secs(20);

/// Limit of a recipe's id, which becomes part of the name of a run folder.
const NAME_CHARS_MAX: usize = 64;

/// Permissions that the user gives for references.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FetchPermissions {
    pub hosts: Vec<String>,
    pub offline: bool,
}

pub(crate) struct Fetched {
    /// Recipe text. Its origin is the reference, so that the same command line finds it again.
    pub source: SpecFile,
    /// Warning to the user if the text is a cached copy.
    pub warning: Option<String>,
}

/// Fetches the recipe behind a reference; `None` where the argument is a path or a name.
pub(crate) fn fetched(wanted: &str, reach: &FetchPermissions) -> Result<Option<Fetched>, Mistake> {
    let Some(address) = address(wanted)? else { return Ok(None) };
    let remote = Remote::parse(&address, &[&[HOST.to_owned()], &reach.hosts[..]].concat())?;
    let (text, warning) = text(wanted, &remote, reach.offline)?;
    let name = remote.name().chars().take(NAME_CHARS_MAX).map(plain).collect();
    let source = SpecFile { name, origin: wanted.to_owned(), text };
    Ok(Some(Fetched { source, warning }))
}

/// Whether the argument is a reference, and not a path or a name.
pub(crate) fn is_one(wanted: &str) -> bool {
    wanted.starts_with('@') || wanted.contains("://") || wanted.starts_with("file:")
}

fn address(wanted: &str) -> Result<Option<String>, Mistake> {
    let Some(reference) = wanted.strip_prefix('@') else {
        return Ok(is_one(wanted).then(|| wanted.to_owned()));
    };
    let shown = one_line(wanted, NAME_CHARS_MAX);
    let Some(id) = reference.strip_prefix("spark-arena/") else {
        return Err(Mistake::new(format!("`{shown}` names a registry, and longhaul fetches none"))
            .hint("@spark-arena/<id>")
            .hint("the path of the recipe in a copy of the registry, as ./folder/recipe.yaml"));
    };
    let fits = (1..=NAME_CHARS_MAX).contains(&id.len());
    if !fits || id.chars().any(|c| plain(c) != c || c == '.') {
        return Err(Mistake::new(format!("`{shown}` has no id of a recipe"))
            .hint("@spark-arena/<id>, as the page of the recipe gives it"));
    }
    Ok(Some(format!("https://{HOST}/api/recipes/{id}/raw")))
}

/// Returns the character, or a dash where it may not be in the name of a folder.
fn plain(c: char) -> char {
    if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' }
}

/// Returns the present text, else the cached copy with a warning.
fn text(wanted: &str, remote: &Remote, offline: bool) -> Result<(String, Option<String>), Mistake> {
    let shown = one_line(wanted, 160);
    let wrong = |what: String| Mistake::new(format!("`{shown}` {what}")).at(remote.address());
    let name = format!("{}.yaml", sha256(remote.address().as_bytes()));
    let copy = cache().map(|folder| folder.join(name));
    let fetched = if offline {
        Err(FetchError::Away("--offline".to_owned()))
    } else {
        // It needs its own runtime in real time: in virtual time every fetch would time out.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|why| wrong(format!("cannot be fetched: {why}")))?;
        runtime.block_on(remote.fetch(TIME_MAX))
    };
    let why = match fetched {
        Ok(text) => {
            // Only a valid recipe may replace the cached copy.
            let (name, origin) = (String::new(), String::new());
            let is_recipe = recipe::read(SpecFile { name, origin, text: text.clone() }).is_ok();
            if let Some(Err(why)) = copy.filter(|_| is_recipe).map(|copy| keep(&copy, &text)) {
                tracing::debug!("no copy of the recipe is kept: {why}");
            }
            return Ok((text, None));
        }
        Err(FetchError::Refused(why)) => {
            return Err(wrong(format!("is no recipe to take: {why}"))
                .hint("the address of the bare file, not of a page that shows it")
                .hint("fetch it yourself, and give the path of the file"));
        }
        Err(FetchError::Away(why)) => why,
    };
    let Some(copy) = copy.filter(|copy| copy.exists()) else {
        return Err(wrong(format!("was not fetched ({why}), and there is no copy of it"))
            .hint("without --offline; look at the network, HTTPS_PROXY and NO_PROXY")
            .hint("fetch it elsewhere, and give the path of the file"));
    };
    let (text, when) = kept(&copy).map_err(|flaw| {
        wrong(format!("was not fetched ({why}), and of its copy: {flaw}"))
            .at(copy.display().to_string())
            .hint("remove the copy, and fetch it again")
    })?;
    let sum = sha256(text.as_bytes());
    let what =
        format!("`{shown}` was not fetched ({why}): this is the copy of {when}, sha256 {sum}");
    Ok((text, Some(what)))
}

/// Reads a cached copy, checks it as a fetched text is checked, and returns it with its date.
fn kept(copy: &Path) -> Result<(String, String), String> {
    let about = fs::metadata(copy).map_err(|why| why.to_string())?;
    if !about.is_file() {
        return Err("it is no plain file".to_owned());
    }
    let mut bytes = Vec::new();
    let read = fs::File::open(copy)
        .and_then(|file| file.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
    if read.map_err(|why| why.to_string())? > BYTES_MAX {
        return Err(format!("it has more than {BYTES_MAX} bytes"));
    }
    let since = about.modified().ok().and_then(|it| it.duration_since(SystemTime::UNIX_EPOCH).ok());
    Ok((remote::text(bytes)?, wall_text(micros(since.unwrap_or_default()))))
}

fn cache() -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let root = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(root.join("longhaul").join("recipes"))
}

fn keep(copy: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = copy.parent() {
        fs::create_dir_all(folder)?;
    }
    let part = copy.with_extension(format!("{}.part", std::process::id()));
    fs::write(&part, text)?;
    fs::rename(&part, copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_stands_for_an_address_and_a_path_for_none() {
        let of = |wanted| address(wanted).map_err(|wrong| wrong.to_string());
        for path in ["my.yaml", "./@x/my.yaml", "folder/https", "nemotron-3-super", "C:x"] {
            assert_eq!(of(path), Ok(None), "{path}");
        }
        assert_eq!(
            of("@spark-arena/0a1B-2_c").unwrap().unwrap(),
            "https://spark-arena.com/api/recipes/0a1B-2_c/raw"
        );
        assert_eq!(of("https://h/r").unwrap().unwrap(), "https://h/r");
        for odd in ["@spark-arena/", "@spark-arena/../x", "@spark-arena/a?b", "@spark-arena/a/b"] {
            assert!(of(odd).unwrap_err().contains("no id"), "{odd}");
        }
        assert!(of("@official/x").unwrap_err().contains("registry"));
    }

    #[test]
    fn a_name_is_fit_for_a_folder() {
        let name: String = "a b/ü%2e..".chars().map(plain).collect();
        assert_eq!(name, "a-b---2e..");
    }
}
