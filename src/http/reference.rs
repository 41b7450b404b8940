//! Recipes that lie elsewhere: from what the user writes to a text, over the
//! network or out of the cache. What comes is a text and nothing more: it is
//! read as any recipe is, and has nothing beside it to include.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::remote::{self, Limits, Remote, Unfetched};
use crate::digest::sha256;
use crate::error::Mistake;
use crate::escape::one_line;
use crate::spec::{Source, recipe};
use crate::timeline::wall_text;
use crate::unit::micros;

/// Hosts that are known without being named. What lies there is strangers' all the same.
const HOSTS: [&str; 1] = ["spark-arena.com"];

/// What a recipe may cost: the largest known is a hundredth of it, and nobody waits longer.
const LIMITS: Limits = Limits { bytes: 1 << 20, time: Duration::from_secs(20) };

/// Bounds the id of a recipe, and the name of a run folder that it becomes part of.
const NAME_CHARS_MAX: usize = 64;

/// How far the user lets a reference reach.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reach {
    /// Hosts that the user trusts beside those that are known.
    pub hosts: Vec<String>,
    /// Nothing is fetched; what was fetched before is used.
    pub offline: bool,
}

/// A recipe that lay elsewhere.
pub struct Fetched {
    /// Its text. Its origin is the reference, so that the same line finds it again.
    pub source: Source,
    /// What the user must hear, where it is not what is there now.
    pub told: Option<String>,
}

/// The recipe behind a reference; `None` where what the user wrote is a path or a name.
///
/// # Errors
/// A reference that is refused, or behind which there is nothing that could be used.
pub fn fetched(wanted: &str, reach: &Reach) -> Result<Option<Fetched>, Mistake> {
    let Some(address) = address(wanted)? else { return Ok(None) };
    let known: Vec<String> =
        HOSTS.iter().map(|host| (*host).to_owned()).chain(reach.hosts.iter().cloned()).collect();
    let remote = Remote::parse(&address, &known)?;
    let (text, told) = text(wanted, &remote, reach.offline, cache().as_deref())?;
    let name = remote.name().chars().take(NAME_CHARS_MAX).map(plain).collect();
    let source = Source { name, origin: wanted.to_owned(), text };
    Ok(Some(Fetched { source, told }))
}

/// Whether what the user wrote is a reference, and no path and no name.
pub fn is_one(wanted: &str) -> bool {
    wanted.starts_with('@') || wanted.contains("://") || wanted.starts_with("file:")
}

/// The address that a reference stands for.
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
    Ok(Some(format!("https://spark-arena.com/api/recipes/{id}/raw")))
}

/// A character as it may stand in the name of a folder.
fn plain(c: char) -> char {
    if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' }
}

/// The text as it is now, else as it was when it was fetched last.
fn text(
    wanted: &str,
    remote: &Remote,
    offline: bool,
    cache: Option<&Path>,
) -> Result<(String, Option<String>), Mistake> {
    let address = remote.address();
    let shown = one_line(wanted, 160);
    let wrong = |what: String| Mistake::new(format!("`{shown}` {what}")).at(address);
    let copy = cache.map(|folder| folder.join(format!("{}.yaml", sha256(address.as_bytes()))));
    let fetched = if offline {
        Err(Unfetched::Away("--offline".to_owned()))
    } else {
        // On a runtime of its own: before any other begins, and never in virtual time, in which
        // every fetch would be late at once.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|why| wrong(format!("cannot be fetched: {why}")))?;
        runtime.block_on(remote.fetch(LIMITS))
    };
    let why = match fetched {
        Ok(text) => {
            // A page that is no recipe does not take the place of one that was.
            if let Some(copy) = copy.as_deref().filter(|_| reads(&text)) {
                keep(copy, &text);
            }
            return Ok((text, None));
        }
        Err(Unfetched::Refused(why)) => {
            return Err(wrong(format!("is no recipe to take: {why}"))
                .hint("the address of the bare file, not of a page that shows it")
                .hint("fetch it yourself, and give the path of the file"));
        }
        Err(Unfetched::Away(why)) => why,
    };
    let Some(copy) = copy.filter(|copy| copy.exists()) else {
        return Err(wrong(format!("was not fetched ({why}), and there is no copy of it"))
            .hint("without --offline; look at the network, HTTPS_PROXY and NO_PROXY")
            .hint("fetch it elsewhere, and give the path of the file"));
    };
    let text = of_copy(&copy).map_err(|flaw| {
        wrong(format!("was not fetched ({why}), and of its copy: {flaw}"))
            .at(copy.display().to_string())
            .hint("remove the copy, and fetch it again")
    })?;
    let (when, sum) = (age(&copy), sha256(text.as_bytes()));
    let told =
        format!("`{shown}` was not fetched ({why}): this is the copy of {when}, sha256 {sum}");
    Ok((text, Some(told)))
}

/// The text of a copy, held to what a fetched text is: whoever else may write there is as
/// strange as a host.
fn of_copy(copy: &Path) -> Result<String, String> {
    if !copy.is_file() {
        return Err("it is no plain file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(copy).map_err(|why| why.to_string())?;
    let read = file.take(LIMITS.bytes as u64 + 1).read_to_end(&mut bytes);
    match read.map_err(|why| why.to_string())? {
        count if count > LIMITS.bytes => Err(format!("it has more than {} bytes", LIMITS.bytes)),
        _ => remote::text(bytes),
    }
}

/// Whether a text is a recipe at all.
fn reads(text: &str) -> bool {
    let source = Source { name: String::new(), origin: String::new(), text: text.to_owned() };
    recipe::read(source).is_ok()
}

/// Where fetched recipes are kept, where the user has a place for such things.
fn cache() -> Option<PathBuf> {
    let set =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let root = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(root.join("longhaul").join("recipes"))
}

/// Keeps a copy, whole or not at all. One that cannot be kept is no reason to stop.
fn keep(copy: &Path, text: &str) {
    let kept = || -> std::io::Result<()> {
        if let Some(folder) = copy.parent() {
            fs::create_dir_all(folder)?;
        }
        let part = copy.with_extension(format!("{}.part", std::process::id()));
        fs::write(&part, text)?;
        fs::rename(&part, copy)
    };
    if let Err(why) = kept() {
        tracing::debug!("no copy of the recipe is kept at {}: {why}", copy.display());
    }
}

/// When a copy was made.
fn age(copy: &Path) -> String {
    let made = fs::metadata(copy).and_then(|about| about.modified());
    let since = made.ok().and_then(|made| made.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or_else(|| "an unknown day".to_owned(), |since| wall_text(micros(since)))
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
