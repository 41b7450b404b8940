//! Builds the arms: the user's variations as recipes, each of which becomes a file.

use std::path::Path;

use super::{ARMS_MAX, NAME_CHARS_MAX, SweepOptions};
use crate::command::{hide, inputs, print_stderr};
use crate::error::Mistake;
use crate::escape::one_line;
use crate::secret::Secrets;
use crate::spec::SpecFile;
use crate::spec::recipe::diff::{Difference, between};
use crate::spec::recipe::vary::arms::{self as asked, BASE};
use crate::spec::recipe::vary::{Change, varied};
use crate::spec::recipe::{ReadRecipe, RenderMethod};

/// Limit of a file name.
const FILE_CHARS_MAX: usize = 48;

/// Variant of the recipe.
pub(super) struct Arm {
    /// Name shown to people.
    pub name: String,
    /// Name in folders and files.
    pub slug: String,
    /// Requested changes.
    pub changes: Vec<Change>,
    /// Recipe; its source is the file's text.
    pub reading: ReadRecipe,
    /// Differences from the base.
    pub differs: Vec<Difference>,
    /// Whether the simulated server serves it as the base, so that it shows nothing.
    pub shows_nothing: bool,
}

impl Arm {
    /// Returns the name in a form for messages.
    pub(super) fn shown(&self) -> String {
        one_line(&self.name, NAME_CHARS_MAX)
    }

    /// Returns the recipe's text.
    pub(super) fn text(&self) -> &str {
        &self.reading.recipe.source.text
    }

    /// Returns the name of its file.
    pub(super) fn file(&self) -> String {
        let end = if self.reading.how == RenderMethod::AsItStands { "sh" } else { "yaml" };
        format!("arms/{}.{end}", self.slug)
    }
}

/// Reads the base and all variations.
///
/// # Errors
/// A change has no effect, an arm changes more than one thing, or a name occurs twice.
pub(super) fn read(options: &SweepOptions, base: ReadRecipe) -> Result<Vec<Arm>, Mistake> {
    let mut wanted = Vec::new();
    for text in &options.vary {
        let several = asked::of_flag(text)?;
        let many = several.len() > 1;
        wanted.extend(several.into_iter().map(|arm| (arm, many)));
    }
    if let Some(path) = &options.arms {
        wanted.extend(asked::read(&source(path)?)?.into_iter().map(|arm| (arm, false)));
    }
    let first = Arm {
        name: BASE.to_owned(),
        slug: BASE.to_owned(),
        changes: Vec::new(),
        reading: base,
        differs: Vec::new(),
        shows_nothing: false,
    };
    let secrets = secrets(wanted.iter().flat_map(|(arm, _)| &arm.changes));
    hide(&secrets);
    let mut arms = vec![first];
    for (arm, may_be_base) in wanted {
        let arm = asked::ArmSpec { name: named(&arm.name, &secrets, &arms), ..arm };
        let Some(arm) = made(options, &arms, arm, may_be_base)? else { continue };
        arms.push(arm);
    }
    match arms.len() {
        1 => Err(Mistake::new("nothing is varied: every value equals the base's")),
        2..=ARMS_MAX => Ok(arms),
        many => Err(Mistake::new(format!("{many} arms; {ARMS_MAX} are the most"))),
    }
}

/// Collects the keys among the variables that are varied.
fn secrets<'a>(changes: impl Iterator<Item = &'a Change>) -> Secrets {
    let mut secrets = Secrets::default();
    for change in changes {
        if let (Some(name), Some(value)) = (change.variable(), &change.value) {
            secrets.add_variable(name, value);
        }
    }
    secrets
}

/// Returns an arm's name without keys, which would name its file and its folder too. Names that
/// differ in a key only get a number.
fn named(name: &str, secrets: &Secrets, arms: &[Arm]) -> String {
    let shown = secrets.remove_from(name);
    if shown == name {
        return name.to_owned();
    }
    let is_free = |name: &String| arms.iter().all(|arm| arm.name != *name);
    let numbered = (2..).map(|n| format!("{shown} {n}"));
    std::iter::once(shown.to_string()).chain(numbered).find(is_free).unwrap_or_default()
}

fn made(
    options: &SweepOptions,
    arms: &[Arm],
    asked: asked::ArmSpec,
    may_be_base: bool,
) -> Result<Option<Arm>, Mistake> {
    let asked::ArmSpec { name, changes } = asked;
    let base = &arms[0].reading;
    let shown = one_line(&name, NAME_CHARS_MAX);
    if arms.iter().any(|arm| arm.name == name) {
        return Err(Mistake::new(format!("the arm `{shown}` stands twice")));
    }
    let origin = one_line(&base.recipe.source.origin, 200);
    let note = format!("# An arm of a sweep: {}\n# The base: {origin}\n", one_line(&name, 200));
    let reading = match varied(base, &changes, &note)? {
        Some(reading) => reading,
        None if may_be_base => {
            print_stderr(&format!("note: `{shown}` is the base"));
            return Ok(None);
        }
        None => {
            let what =
                format!("nothing changed: with `{shown}` the recipe serves as the base does");
            return Err(Mistake::new(what)
                .at(&base.recipe.source.origin)
                .hint("another value; host, port and names of a server are not compared"));
        }
    };
    let differs = between(base, &reading).serving;
    let things = things(&changes, &differs);
    if things > 1 && !options.allow_several {
        let names: Vec<&str> = differs.iter().map(|it| it.what.as_str()).collect();
        let what = format!(
            "the arm `{shown}` changes {} things at once ({}): their effects cannot be told apart",
            things,
            names.join(", ")
        );
        return Err(Mistake::new(what).hint("an arm for each").hint("--allow-several"));
    }
    let slug = slug(&name, arms);
    Ok(Some(Arm { name, slug, changes, reading, differs, shows_nothing: false }))
}

/// Counts the changed things. A setting with fields that is added or removed counts once.
fn things(changes: &[Change], differs: &[Difference]) -> usize {
    let below = |change: &Change| -> Vec<&Difference> {
        let stem = format!("{}.", change.key);
        differs.iter().filter(|it| it.what.starts_with(&stem)).collect()
    };
    let extra = |change: &Change| {
        let fields = below(change);
        let is_one =
            fields.iter().all(|it| it.one.is_none()) || fields.iter().all(|it| it.other.is_none());
        if is_one { fields.len().saturating_sub(1) } else { 0 }
    };
    differs.len() - changes.iter().map(extra).sum::<usize>().min(differs.len())
}

/// Converts a name to a valid file name that no other arm has.
fn slug(name: &str, arms: &[Arm]) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._=-".contains(c);
    let plain: String = name.chars().map(|c| if fits(c) { c } else { '-' }).collect();
    let plain = plain.trim_matches(['.', '-']);
    let plain = if plain.is_empty() { "arm" } else { plain };
    // A long name is cut in the middle: names of images differ at the end, in their digests.
    let more = plain.len().saturating_sub(FILE_CHARS_MAX);
    let short = if more > 0 {
        format!("{}-{}", &plain[..12], &plain[more + 13..])
    } else {
        plain.to_owned()
    };
    let is_free = |slug: &String| arms.iter().all(|arm| arm.slug != *slug);
    let numbered = (2..).map(|n| format!("{short}-{n}"));
    std::iter::once(short.clone()).chain(numbered).find(is_free).unwrap_or(short)
}

fn source(path: &Path) -> Result<SpecFile, Mistake> {
    let origin = path.display().to_string();
    let text = inputs::text_of(path).map_err(|why| {
        Mistake::new(format!("the arms cannot be read: {why}"))
            .at(&origin)
            .hint("a list of arms: - { name: eager, changes: { enforce_eager: true } }")
    })?;
    Ok(SpecFile { name: origin.clone(), origin, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(slug: &str) -> Arm {
        let source =
            SpecFile { name: "r".into(), origin: "r.yaml".into(), text: "model: m\n".into() };
        let options = crate::spec::recipe::ReadOptions::default();
        let reading = crate::spec::recipe::read_as(&source, &options, &|_| Ok(None)).unwrap();
        let (name, slug) = (slug.to_owned(), slug.to_owned());
        let (changes, differs) = (Vec::new(), Vec::new());
        Arm { name, slug, changes, reading, differs, shows_nothing: false }
    }

    /// Returns the names of the arms and what each changes, or why there are none.
    fn reported(vary: &[&str], allow_several: bool) -> String {
        let text = "model: m\ncontainer: a/b:1\ncommand: vllm serve m --max-num-seqs 4\n";
        let source = SpecFile { name: "r".into(), origin: "r.yaml".into(), text: text.into() };
        let options = crate::spec::recipe::ReadOptions::default();
        let base = crate::spec::recipe::read_as(&source, &options, &|_| Ok(None)).unwrap();
        let vary = vary.iter().map(|&text| text.to_owned()).collect();
        let options = SweepOptions { vary, allow_several, ..SweepOptions::default() };
        let arm = |arm: &Arm| {
            let differs: Vec<&str> = arm.differs.iter().map(|it| it.what.as_str()).collect();
            format!("{} in {}: {}", arm.name, arm.file(), differs.join(", "))
        };
        match read(&options, base) {
            Ok(arms) => arms.iter().map(arm).collect::<Vec<_>>().join("\n"),
            Err(wrong) => wrong.to_string(),
        }
    }

    #[test]
    fn every_value_is_an_arm_unless_it_is_the_base_or_changes_several_things() {
        let config = r#"speculative_config={"method": "ngram", "num_speculative_tokens": 3}"#;
        let many: Vec<String> = (10..80).map(|n| format!("max_num_seqs={n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let reported = [
            ("two values", reported(&["max_num_seqs=8,16"], false)),
            ("one of them the base's", reported(&["max_num_seqs=4,8"], false)),
            ("the base alone", reported(&["max_num_seqs=4"], false)),
            ("nothing but the base", reported(&["max_num_seqs=4,4"], false)),
            ("twice the same", reported(&["max_num_seqs=8", "max_num_seqs=8"], false)),
            ("a setting with fields", reported(&[config], false)),
            ("two fields", reported(&["speculative_config.a=1", "speculative_config.b=1"], false)),
            ("several allowed", reported(&[config], true)),
            ("too many", reported(&many, false)),
            ("no pair", reported(&["max_num_seqs"], false)),
        ];
        let reported = reported.map(|(name, reported)| format!("{name}\n{reported}"));
        insta::assert_snapshot!("arms", reported.join("\n\n"));
    }

    #[test]
    fn a_file_of_arms_that_cannot_be_read_is_told_with_what_it_would_hold() {
        insta::assert_snapshot!(source(Path::new("/no/such/arms.yaml")).unwrap_err(), @"
            error: the arms cannot be read: No such file or directory (os error 2)
               at: /no/such/arms.yaml
              try: a list of arms: - { name: eager, changes: { enforce_eager: true } }
        ");
    }

    #[test]
    fn a_key_that_is_varied_names_no_arm_and_no_file() {
        let [one, two] =
            ["hf_0123456789", "hf_abcdefghij"].map(|key| format!("env.HF_TOKEN={key}"));
        let specs = asked::of_flag(&format!("{one},hf_abcdefghij")).unwrap();
        let secrets = secrets(specs.iter().flat_map(|spec| &spec.changes));
        let mut arms = vec![arm("base")];
        assert_eq!(named(&one, &secrets, &arms), "env.HF_TOKEN=[secret]");
        arms.push(arm("env.HF_TOKEN=[secret]"));
        let name = named(&two, &secrets, &arms);
        assert_eq!(name, "env.HF_TOKEN=[secret] 2");
        assert_eq!(slug(&name, &arms), "env.HF_TOKEN=-secret--2");
        assert_eq!(named("env.X=1", &secrets, &arms), "env.X=1");
    }

    #[test]
    fn whatever_an_arm_is_called_its_file_has_a_plain_name_within_the_folder() {
        let arms = [arm("base"), arm("arm")];
        assert_eq!(slug("kv_cache_dtype=fp8", &arms), "kv_cache_dtype=fp8");
        assert_eq!(slug("base", &arms), "base-2");
        assert_eq!(slug("..", &arms), "arm-2");
        assert_eq!(slug("../../etc/passwd", &arms), "etc-passwd");
        assert_eq!(slug("a\u{1b}[31m\n\u{1F600}b", &arms), "a--31m--b");
        let long = slug(&format!("container=repo@sha256:{}ff", "0".repeat(80)), &arms);
        assert!(long.len() <= FILE_CHARS_MAX && long.ends_with("ff"), "{long}");
    }
}
