//! Fills in the manifest of a run.

use super::Specs;
use super::environment::Environment;
use crate::engine::Engine;
use crate::fact::Statement;
use crate::journal::Manifest;
use crate::journal::manifest::{self, SpecText};
use crate::plan::{Fit, Plan};
use crate::run::arrive::ArrivedServer;
use crate::shell::pasteable;
use crate::spec::recipe::DeclaredSettings;
use crate::spec::scenario::Api;
use crate::spec::{Recipe, SpecFile};
use crate::world::Wire;

/// Creates the manifest from what the user specified.
pub(super) fn of<W: Wire>(
    specs: &Specs,
    recipe: &Recipe,
    environment: &Environment<W>,
) -> Manifest {
    let options = &specs.options;
    Manifest {
        simulated: specs.simulated,
        recipe: SpecText::of(&recipe.source),
        scenario: SpecText::of(&specs.scenario.source),
        overrides: serde_json::to_value(&options.inputs.overrides).unwrap_or_default(),
        profile: specs.profile.as_ref().map(|profile| SpecText::of(&profile.source)),
        ailments: options.ailments.clone(),
        container: recipe.container.clone(),
        command: recipe.command.clone(),
        declared: DeclaredSettings::of(recipe, specs.plan.apis().contains(&Api::Chat)),
        added: environment.added.clone(),
        seed: options.inputs.seed,
        server_seed: options.server_seed,
        sweep: options.sweep.clone(),
        nodes: vec![environment.node.clone()],
        segments: vec![environment.anchor.clone()],
        again: again(specs, recipe),
        headers: options.again.headers.clone(),
        ..Manifest::default()
    }
}

/// Adds what the server and the plan determine.
pub(super) fn describe(
    manifest: &mut Manifest,
    address: &str,
    server: &ArrivedServer,
    plan: &Plan,
    fit: &Fit,
    lengths: &[Statement],
) {
    manifest.simulated |= server.is_simulated();
    manifest.nonce = plan.nonce;
    let cells: Vec<String> = plan.lap().iter().map(|round| round.cell.to_string()).collect();
    manifest.server = manifest::ServerIdentity {
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
        "cells": plan.cells(), "lap": cells, "notes": notes(plan, server, lengths),
        "warmup_laps": plan.warmup_laps, "reference_laps": plan.reference_laps,
        "prefill_tokens_per_s": server.prefill_per_s,
    });
    manifest.fit = serde_json::to_value(fit).unwrap_or_default();
}

/// Returns the notes of the plan, and on what the server's refusals decide for the whole run.
fn notes(plan: &Plan, server: &ArrivedServer, lengths: &[Statement]) -> Vec<String> {
    let of_server = server.notes.iter().chain(lengths).map(Statement::words);
    plan.notes.iter().cloned().chain(of_server).collect()
}

/// Returns the command line that repeats the run.
fn again(specs: &Specs, recipe: &Recipe) -> String {
    let options = &specs.options;
    let (inputs, overrides) = (&options.inputs, &options.inputs.overrides);
    let of = |source: &SpecFile| {
        source.origin.strip_prefix("shipped:").unwrap_or(&source.origin).to_owned()
    };
    let mut flags: Vec<(&str, Option<String>)> = Vec::new();
    let mut flag = |name, value: Option<String>| {
        flags.extend(value.map(|value| (name, Some(value))));
    };
    if inputs.recipe.is_some() {
        flag("recipe", Some(of(&recipe.source)));
        for host in &inputs.reach.hosts {
            flag("allow-recipe-host", Some(host.clone()));
        }
    }
    flag("scenario", Some(of(&specs.scenario.source)));
    let duration = |it| humantime::format_duration(it).to_string().replace(' ', "");
    flag("duration", overrides.duration.map(duration));
    flag("depths", overrides.depths.as_deref().map(list));
    flag("concurrency", overrides.concurrency.as_deref().map(list));
    flag("rate", overrides.rate.as_deref().map(list));
    flag("restart", overrides.restart.map(|when| when.word().to_owned()));
    flag("profile", inputs.profile.clone());
    for ailment in &options.ailments {
        flag("ailment", Some(ailment.clone()));
    }
    flag("model", options.model.clone());
    let (values, switches): (Vec<_>, Vec<_>) =
        options.again.flags.iter().cloned().partition(|(_, value)| value.is_some());
    flags.extend(values);
    flags.extend(switches);
    flags.extend(options.stop_on_fail.then_some(("stop-on-fail", None)));
    flags.push(("seed", Some(inputs.seed.to_string())));
    flags.extend(options.server_seed.map(|seed| ("server-seed", Some(seed.to_string()))));
    let words = flags.into_iter().map(|(name, value)| match value {
        Some(value) => format!(" --{name} {}", pasteable(&value)),
        None => format!(" --{name}"),
    });
    format!("longhaul {}{}", options.again.verb, words.collect::<String>())
}

fn list<T: ToString>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::command::drive::DriveOptions;
    use crate::command::inputs::{DEFAULT_RECIPE, Inputs};
    use crate::spec::scenario::Overrides;

    /// Returns the command that repeats a rehearsal.
    fn repeats(options: DriveOptions) -> String {
        let recipe = options.inputs.recipe(Some(DEFAULT_RECIPE)).unwrap().unwrap();
        let scenario = options.inputs.scenario("smoke").unwrap();
        let specs = Specs::new(options, Some(recipe.clone()), scenario, None, true).unwrap();
        again(&specs, &recipe)
    }

    #[test]
    fn the_command_that_repeats_a_run_has_all_that_was_asked_and_nothing_else() {
        let none = repeats(DriveOptions {
            again: crate::command::drive::RepeatCommand { verb: "rehearse", ..Default::default() },
            ..DriveOptions::default()
        });
        let overrides = Overrides {
            duration: Some(Duration::from_secs(5_400)),
            depths: Some(vec![0, 4096]),
            concurrency: Some(vec![1, 2]),
            ..Overrides::default()
        };
        let inputs = Inputs {
            recipe: Some(DEFAULT_RECIPE.to_owned()),
            scenario: Some("short".to_owned()),
            overrides,
            seed: 7,
            profile: Some("a b.yaml".to_owned()),
            ..Inputs::default()
        };
        let again = crate::command::drive::RepeatCommand {
            verb: "run",
            flags: vec![("keep", None), ("endpoint", Some("http://h:1".to_owned()))],
            headers: Vec::new(),
        };
        let all = repeats(DriveOptions {
            inputs,
            ailments: vec!["crash=10s@1m".to_owned(), "hang".to_owned()],
            server_seed: Some(9),
            model: Some("org/m".to_owned()),
            stop_on_fail: true,
            again,
            ..DriveOptions::default()
        });
        insta::assert_snapshot!(format!("{none}\n{all}"), @"
            longhaul rehearse --scenario smoke --seed 0
            longhaul run --recipe nemotron-3-super --scenario short --duration 1h30m --depths 0,4096 --concurrency 1,2 --profile 'a b.yaml' --ailment crash=10s@1m --ailment hang --model org/m --endpoint http://h:1 --keep --stop-on-fail --seed 7 --server-seed 9
        ");
    }
}
