//! Parses a machine profile. Every key is required, because a default rate would be an invented
//! figure.

use super::Profile;
use crate::error::{Mistake, nearest};
use crate::spec::SpecFile;
use crate::spec::field::{Field, shown, strict_document};
use crate::unit;

const FIGURES: [&str; 13] = [
    "prefill_s",
    "prefill_s_per_token",
    "prefill_s_per_token2",
    "decode_per_s",
    "decode_loss_at_100k",
    "decode_step_growth",
    "kv_tokens",
    "acceptance",
    "noise_between_starts",
    "noise_within",
    "memory",
    "memory_ready",
    "start_s",
];

/// Parses a machine profile.
///
/// # Errors
/// The file is no YAML, a key is missing or unknown, or a value is out of range.
pub(crate) fn read(source: SpecFile) -> Result<Profile, Mistake> {
    let document = strict_document(&source)?;
    let root = Field::root(&source, &document);
    let known: Vec<&str> = FIGURES.into_iter().chain(["about", "assumed"]).collect();
    let values = root.map(&known)?;
    let find = |name: &str| values.iter().find(|(key, _)| *key == name).map(|(_, field)| field);
    let need = |name: &str| {
        let missing = || root.mistake(format!("profile `{}` has no `{name}`", source.name));
        find(name).ok_or_else(missing)
    };
    let share = |name: &str| need(name).and_then(fraction);
    let memory_bytes = bytes(need("memory")?)?;
    let memory_ready_bytes = bytes(need("memory_ready")?)?;
    if memory_ready_bytes > memory_bytes {
        return Err(need("memory_ready")?.mistake("`memory_ready` is more than `memory`"));
    }
    Ok(Profile {
        about: need("about")?.text()?.to_owned(),
        prefill_s: need("prefill_s")?.number(0.0)?,
        prefill_s_per_token: positive(need("prefill_s_per_token")?)?,
        prefill_s_per_token2: need("prefill_s_per_token2")?.number(0.0)?,
        decode_per_s: positive(need("decode_per_s")?)?,
        decode_loss_at_100k: share("decode_loss_at_100k")?,
        decode_step_growth: need("decode_step_growth")?.number(0.0)?,
        kv_tokens: need("kv_tokens")?.whole(1, u64::MAX)?,
        acceptance: share("acceptance")?,
        noise_between_starts: share("noise_between_starts")?,
        noise_within: share("noise_within")?,
        memory_bytes,
        memory_ready_bytes,
        start_s: need("start_s")?.number(0.0)?,
        assumed: find("assumed").map(assumed).transpose()?.unwrap_or_default(),
        source,
    })
}

fn positive(field: &Field<'_>) -> Result<f64, Mistake> {
    match field.number(0.0)? {
        value if value > 0.0 => Ok(value),
        _ => Err(field.mistake(format!("`{}` must be more than 0", field.name()))),
    }
}

fn fraction(field: &Field<'_>) -> Result<f64, Mistake> {
    match field.number(0.0)? {
        value if value <= 1.0 => Ok(value),
        _ => Err(field.mistake(format!("`{}` is a fraction, 0 to 1", field.name()))),
    }
}

fn bytes(field: &Field<'_>) -> Result<u64, Mistake> {
    let size = unit::bytes(field.text()?).map_err(|message| field.mistake(message))?;
    Ok(size.0)
}

fn assumed(field: &Field<'_>) -> Result<Vec<String>, Mistake> {
    let mut names = Vec::new();
    for item in field.list()? {
        let name = item.text()?;
        if !FIGURES.contains(&name) {
            let mistake = item.mistake(format!("{} is not a value of a profile", shown(name)));
            return Err(match nearest(name, FIGURES) {
                Some(near) => mistake.hint(near),
                None => mistake,
            });
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shown::each;

    const PLAIN: &str = "about: A.\nprefill_s: 0.2\nprefill_s_per_token: 482.8e-6\nprefill_s_per_token2: 0\ndecode_per_s: 22.8\ndecode_loss_at_100k: 0.02\ndecode_step_growth: 0.2\nkv_tokens: 1000\nacceptance: 0.7\nnoise_between_starts: 0.01\nnoise_within: 0.03\nmemory: 119GiB\nmemory_ready: 96GiB\nstart_s: 600\nassumed: [kv_tokens]\n";

    fn profile(text: &str) -> Result<Profile, Mistake> {
        read(SpecFile { name: "p".into(), origin: "p.yaml".into(), text: text.into() })
    }

    #[test]
    fn a_profile_is_read_and_gives_times() {
        let profile = profile(PLAIN).unwrap();
        assert!((profile.prefill_seconds(1000) - 0.6828).abs() < 1e-9);
        assert!((profile.decode_seconds(100_000, 2) - 1.2 / (22.8 * 0.98)).abs() < 1e-9);
        assert_eq!((profile.memory_bytes, profile.assumed.len()), (119 << 30, 1));
    }

    #[test]
    fn a_figure_that_is_missing_misspelt_or_impossible_is_refused() {
        let changes = [
            ("start_s: 600\n", ""),
            ("acceptance", "aceptance"),
            ("acceptance: 0.7", "acceptance: 70"),
            ("decode_per_s: 22.8", "decode_per_s: 0"),
            ("decode_per_s: 22.8", "decode_per_s: fast"),
            ("memory: 119GiB", "memory: 119"),
            ("memory: 119GiB", "memory: 1GiB"),
            ("[kv_tokens]", "[kv_token]"),
        ];
        let reported =
            each(changes, |(from, to)| profile(&PLAIN.replace(from, to)).unwrap_err().to_string());
        insta::assert_snapshot!("refused", reported);
    }
}
