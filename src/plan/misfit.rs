//! Finds mismatches between plan and recipe that can be run but must be
//! reported. A plan that cannot run at all is a `Mistake` of the plan itself.

use super::Plan;
use crate::fact::{Class, Statement};
use crate::spec::Recipe;

/// Returns the mismatches of plan and recipe. `caching` is the server's own report of its prefix
/// cache, where known.
pub(crate) fn misfits(plan: &Plan, recipe: &Recipe, caching: Option<bool>) -> Vec<Statement> {
    concurrency(plan, recipe).into_iter().chain(prefix(plan, recipe, caching)).collect()
}

/// Whether part of the plan relies on a cached prefix.
fn wants_warmth(plan: &Plan) -> bool {
    plan.lap().iter().any(|round| round.class == Class::Warm)
}

/// Reports more streams than the server runs at once: the others wait, and their TTFT includes the
/// queue.
fn concurrency(plan: &Plan, recipe: &Recipe) -> Option<Statement> {
    let slots = recipe.whole("max_num_seqs")?;
    let streams = u64::from(plan.streams());
    (streams > slots).then(|| Statement {
        declared: Some(format!("max_num_seqs {slots}")),
        seen: streams.to_string(),
        ..Statement::note(
            "concurrency",
            format!("{streams} streams on {slots} slots: beyond {slots}, TTFT is time in a queue"),
        )
    })
}

/// Reports cells that rely on a cached prefix where the prefix cache is off.
fn prefix(plan: &Plan, recipe: &Recipe, caching: Option<bool>) -> Option<Statement> {
    let declared = recipe.prefix_caching();
    if !wants_warmth(plan) || caching.or(declared) != Some(false) {
        return None;
    }
    let who = match (caching, recipe.switch("enable_prefix_caching")) {
        (Some(_), _) => "the server has prefix caching off",
        (None, Some(_)) => "the recipe has prefix caching off",
        (None, None) => {
            "the recipe does not turn prefix caching on, and for a model with Mamba layers it is off"
        }
    };
    Some(Statement {
        declared: declared.map(|declared| declared.to_string()),
        seen: "warm cells planned".to_owned(),
        ..Statement::note(
            "prefix_caching",
            format!("warm cells, but {who}: they will be prefilled anew"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Bounds;
    use crate::plan::tests::{ladder, scenario};
    use crate::spec::scenario::Prefix;
    use crate::spec::{SpecFile, recipe};

    fn recipe(defaults: &str) -> Recipe {
        let text = format!("model: m\ndefaults: {{{defaults}}}\n");
        recipe::read(SpecFile { name: "r".into(), origin: "r.yaml".into(), text }).unwrap()
    }

    fn plan(prefix: Prefix) -> Plan {
        let mut scenario = scenario(&[0, 4096], &[1, 8]);
        ladder(&mut scenario).prefix = prefix;
        Plan::new(&scenario, 1, Bounds::default()).unwrap()
    }

    fn subjects(plan: &Plan, defaults: &str, caching: Option<bool>) -> Vec<String> {
        misfits(plan, &recipe(defaults), caching).into_iter().map(|seen| seen.subject).collect()
    }

    #[test]
    fn more_streams_than_slots_are_told() {
        let plan = plan(Prefix::Cold);
        assert_eq!(subjects(&plan, "max_num_seqs: 4", None), ["concurrency"]);
        assert!(subjects(&plan, "max_num_seqs: 8", None).is_empty());
        assert!(subjects(&plan, "", None).is_empty());
    }

    #[test]
    fn warm_cells_without_a_prefix_cache_are_told_and_the_server_knows_best() {
        let plan = plan(Prefix::Warm);
        for off in ["enable_prefix_caching: false", "mamba_ssm_cache_dtype: float32"] {
            assert_eq!(subjects(&plan, off, None), ["prefix_caching"], "{off}");
            assert!(subjects(&plan, off, Some(true)).is_empty(), "{off}");
        }
        assert!(subjects(&plan, "", None).is_empty());
        assert_eq!(subjects(&plan, "enable_prefix_caching: true", Some(false)), ["prefix_caching"]);
        assert!(subjects(&self::plan(Prefix::Cold), "", Some(false)).is_empty());
    }
}
