//! What a run writes of itself into its manifest.

use super::prepare::Specs;
use super::{Setting, Wish};
use crate::engine::Engine;
use crate::journal::Manifest;
use crate::journal::manifest::{self, Text};
use crate::plan::Plan;
use crate::run::arrive::Server;
use crate::spec::{Recipe, Source};

/// What the run is, as far as the user said it.
pub fn manifest_of<S: Setting>(
    wish: &Wish,
    specs: &Specs,
    recipe: &Recipe,
    setting: &S,
) -> Manifest {
    Manifest {
        simulated: specs.simulate,
        recipe: Text::of(&recipe.source),
        scenario: Text::of(&specs.scenario.source),
        overrides: serde_json::to_value(&wish.asked.overrides).unwrap_or_default(),
        profile: specs.profile.as_ref().map(|profile| Text::of(&profile.source)),
        ailments: wish.ailments.clone(),
        container: recipe.container.clone(),
        command: recipe.command.clone(),
        added: setting.added(),
        seed: wish.asked.seed,
        server_seed: wish.server_seed,
        sweep: wish.sweep.clone(),
        nodes: vec![setting.node()],
        segments: vec![setting.anchor()],
        again: again(wish, specs, recipe),
        ..Manifest::default()
    }
}

/// What the run is, as far as the server and the plan say it.
pub fn describe(manifest: &mut Manifest, address: &str, server: &Server, plan: &Plan) {
    let cells: Vec<String> = plan.lap().iter().map(|round| round.cell.to_string()).collect();
    manifest.server = manifest::Server {
        endpoint: address.to_owned(),
        engine: server.metrics.as_deref().map(|page| Engine::of_metrics(page).word().to_owned()),
        version: server.version.clone(),
        model: server.model.id.clone(),
        models: server.models.iter().map(|model| model.id.clone()).collect(),
        max_model_len: server.model.max_model_len,
    };
    manifest.abilities = server.abilities;
    manifest.plan_fingerprint = plan.fingerprint();
    manifest.corpus = [("all".to_owned(), plan.corpus().hash())].into();
    manifest.plan = serde_json::json!({
        "cells": plan.cells(), "lap": cells, "notes": plan.notes,
        "warmup_laps": plan.warmup_laps, "reference_laps": plan.reference_laps,
        "prefill_tokens_per_s": server.prefill_per_s,
    });
}

/// The command line that does the run again.
fn again(wish: &Wish, specs: &Specs, recipe: &Recipe) -> String {
    let mut words = vec![format!("longhaul {}", wish.again.verb)];
    let mut flag = |name: &str, value: &str| {
        let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:,=@%".contains(c));
        words.push(if plain { format!("--{name} {value}") } else { format!("--{name} '{value}'") });
    };
    let of = |source: &Source| {
        source.origin.strip_prefix("shipped:").unwrap_or(&source.origin).to_owned()
    };
    if wish.asked.recipe.is_some() {
        flag("recipe", &of(&recipe.source));
        for host in &wish.asked.reach.hosts {
            flag("allow-recipe-host", host);
        }
    }
    flag("scenario", &of(&specs.scenario.source));
    let overrides = &wish.asked.overrides;
    if let Some(duration) = overrides.duration {
        flag("duration", &humantime::format_duration(duration).to_string().replace(' ', ""));
    }
    if let Some(depths) = &overrides.depths {
        flag("depths", &list(depths));
    }
    if let Some(concurrency) = &overrides.concurrency {
        flag("concurrency", &list(concurrency));
    }
    if let Some(rate) = &overrides.rate {
        flag("rate", &list(rate));
    }
    if let Some(when) = overrides.restart {
        flag("restart", when.word());
    }
    if let Some(profile) = &wish.asked.profile {
        flag("profile", profile);
    }
    for ailment in &wish.ailments {
        flag("ailment", ailment);
    }
    if let Some(model) = &wish.model {
        flag("model", model);
    }
    for (name, value) in &wish.again.flags {
        if let Some(value) = value {
            flag(name, value);
        }
    }
    let switches = wish.again.flags.iter().filter(|(_, value)| value.is_none());
    words.extend(switches.map(|(name, _)| format!("--{name}")));
    if wish.stop_on_fail {
        words.push("--stop-on-fail".to_owned());
    }
    words.push(format!("--seed {}", wish.asked.seed));
    words.extend(wish.server_seed.map(|seed| format!("--server-seed {seed}")));
    words.join(" ")
}

fn list<T: ToString>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}
