//! Removes secrets from everything that is written to the run folder, and only here: before a text
//! is cut and before its checksum.

use std::borrow::Cow;

use serde_json::Value;

use super::manifest::{Anchor, Manifest, RunNode, ServerIdentity, SpecText};
use crate::digest::sha256;
use crate::fact::{self, Entry};
use crate::secret::{SecretFilter, Secrets};
use crate::spec::recipe::DeclaredSettings;

/// Removes secrets from the texts of an entry, and cuts those that have a limit.
pub(super) fn entry(secrets: &Secrets, entry: &mut Entry) {
    if !secrets.is_empty() {
        fact::text::each(&mut entry.fact, &mut |text| text_of(secrets, text));
    }
    fact::text::bound(&mut entry.fact);
}

/// Returns the frames of a failure without secrets.
pub(super) fn evidence<'a>(secrets: &Secrets, frames: &'a [u8]) -> Cow<'a, [u8]> {
    secrets.remove_from_bytes(frames)
}

/// Creates the filter that removes secrets from a log in chunks.
pub(super) fn log(secrets: &Secrets) -> SecretFilter {
    SecretFilter::new(secrets.clone())
}

/// Returns a manifest without secrets. Every field is named, so that a new one must be handled
/// here.
pub(super) fn manifest(secrets: &Secrets, manifest: &Manifest) -> Manifest {
    let mut clean = manifest.clone();
    if secrets.is_empty() {
        return clean;
    }
    let Manifest {
        schema: _,
        run: _,
        longhaul: _,
        simulated: _,
        recipe,
        scenario,
        overrides,
        profile,
        ailments,
        container,
        command,
        declared,
        added,
        seed: _,
        server_seed: _,
        nonce: _,
        plan_fingerprint: _,
        plan,
        warnings,
        corpus: _,
        fit,
        sweep: _,
        shard: (),
        abilities: _,
        server,
        nodes,
        segments,
        again,
        headers: _,
        files: _,
    } = &mut clean;
    for file in [recipe, scenario].into_iter().chain(profile) {
        let SpecText { name, origin, text, sha256: _, kept_sha256 } = file;
        text_of(secrets, name);
        text_of(secrets, origin);
        if let Cow::Owned(clean) = secrets.remove_from_file(text) {
            *text = clean;
            *kept_sha256 = sha256(text.as_bytes());
        }
    }
    let ServerIdentity { endpoint, engine: _, version, model, models, max_model_len: _ } = server;
    let texts = [endpoint, model, again].into_iter().chain(container).chain(command).chain(version);
    let lists = [ailments, added, warnings, models].into_iter().flatten();
    for text in texts.chain(lists) {
        text_of(secrets, text);
    }
    let DeclaredSettings { engine: _, settings, env: _, chat: _ } = declared;
    for text in settings.values_mut() {
        text_of(secrets, text);
    }
    for RunNode { host, role: _, kernel, driver, clocks } in nodes {
        for text in [host].into_iter().chain(kernel).chain(driver).chain(clocks) {
            text_of(secrets, text);
        }
    }
    for Anchor { segment: _, wall_us: _, monotonic_us: _, boot_id } in segments {
        if let Some(text) = boot_id {
            text_of(secrets, text);
        }
    }
    for value in [overrides, plan, fit] {
        value_of(secrets, value);
    }
    clean
}

fn text_of(secrets: &Secrets, text: &mut String) {
    if let Cow::Owned(clean) = secrets.remove_from(text) {
        *text = clean;
    }
}

/// Removes secrets from the texts within JSON; keys and numbers stay.
fn value_of(secrets: &Secrets, value: &mut Value) {
    match value {
        Value::String(text) => text_of(secrets, text),
        Value::Array(items) => items.iter_mut().for_each(|item| value_of(secrets, item)),
        Value::Object(fields) => fields.values_mut().for_each(|field| value_of(secrets, field)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
