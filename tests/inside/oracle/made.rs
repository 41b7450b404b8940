//! Generates random recipes with difficult content.

use std::fmt::Write as _;
use std::path::Path;

use super::ask::Ask;
use super::words::{KEYS, PIECES, SETS, VALUES};

/// A small generator of its own: the same seed must make the same recipes for ever.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % sides
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }

    fn flip(&mut self, one_in: usize) -> bool {
        self.roll(one_in) == 0
    }
}

/// Writes recipes into a folder, and asks for each of them in several ways.
pub(super) fn asks(folder: &Path, seed: u64, count: usize) -> Vec<Ask> {
    let mut dice = Dice(seed);
    let mut asks = Vec::new();
    for number in 0..count {
        let path = folder.join(format!("r{number}.yaml"));
        let template = if dice.flip(4) { None } else { Some(template(&mut dice)) };
        let text = recipe(&mut dice, number, template.as_deref());
        std::fs::write(&path, &text).expect("written");
        let sets = [Vec::new(), set(&mut dice), set(&mut dice)];
        for set in &sets {
            asks.push(Ask::sparkrun(&path, set, place(&mut dice)));
        }
    }
    asks
}

fn template(dice: &mut Dice) -> String {
    let start = [
        "vllm serve",
        "sglang serve",
        "llama-server",
        "{a}",
        " python3 -m x",
        "vllm serve {model}",
    ];
    let mut text = dice.one(&start).to_owned();
    for _ in 0..dice.roll(10) {
        text.push_str(if dice.flip(3) { "" } else { " " });
        text.push_str(dice.one(PIECES));
    }
    text
}

fn recipe(dice: &mut Dice, number: usize, template: Option<&str>) -> String {
    let mut out = String::new();
    let line = |out: &mut String, text: &str| {
        let _ = writeln!(out, "{text}");
    };
    match dice.roll(5) {
        0 => line(&mut out, "recipe_version: \"1\""),
        1 => line(&mut out, "recipe_version: 1"),
        2 => {}
        _ => line(&mut out, "recipe_version: \"2\""),
    }
    let models = ["org/model", "org/m-GGUF:Q4", "/models/x", "m.gguf", "'a b'", "''", "42"];
    if !dice.flip(8) {
        line(
            &mut out,
            &format!("model: {}", if dice.flip(2) { "org/model" } else { dice.one(&models) }),
        );
    }
    if dice.flip(3) {
        line(
            &mut out,
            &format!("model_revision: {}", dice.one(&["abc", "''", "'a b'", "1e5", "0"])),
        );
    }
    if template.is_none() || dice.flip(2) {
        let runtimes = ["vllm", "sglang", "llama-cpp", "vllm-ray", "atlas", "trtllm", "eugr-vllm"];
        line(&mut out, &format!("runtime: {}", dice.one(&runtimes)));
    }
    line(&mut out, "container: img");
    if dice.flip(9) {
        line(&mut out, "cluster_config: {resolved_model_path: /shared/w}");
    }
    if dice.flip(6) && number > 0 {
        line(&mut out, &format!("include: r{}", dice.roll(number)));
    }
    if !dice.flip(10) {
        line(&mut out, "defaults:");
        if dice.flip(2) {
            let usual = "port: 8000\n  a: x\n  b: [1, 'é']\n  n: 9\n  gpu_memory_utilization";
            line(
                &mut out,
                &format!("  {usual}: {}", dice.one(&["0.85", "1.0", "12345678.9", "1e-7", "1"])),
            );
        }
        let count = 1 + dice.roll(12);
        for _ in 0..count {
            let (key, value) = (dice.one(&KEYS), dice.one(VALUES));
            line(&mut out, &format!("  {key}: {value}"));
        }
    }
    if dice.flip(3) {
        line(&mut out, "env:");
        let value = dice.one(VALUES);
        // What reads like a template of sparkrun's own is refused, and is not asked here.
        line(&mut out, &format!("  A: {value}\n  B: 1"));
    }
    overrides(dice, &mut out);
    if let Some(template) = template {
        command(dice, &mut out, template);
    }
    out
}

fn overrides(dice: &mut Dice, out: &mut String) {
    if !dice.flip(4) {
        return;
    }
    out.push_str("overrides:\n");
    for _ in 0..=dice.roll(2) {
        let whens = [
            "{nodes: 1}",
            "{nodes: {gte: 2}}",
            "{tp: [1, 2]}",
            "{tp: {gt: 1}, nodes: 2}",
            "{config: {a: x}}",
            "{config: {a: {ne: x}, b: {not_in: [1, 2]}}}",
            "{runtime: vllm-distributed}",
            "{runtime_family: [vllm, sglang]}",
            "{runtime: vllm-ray}",
            "{frobnicate: 1}",
            "{nodes: {like: 1}}",
            "{config: {trust_remote_code: true}}",
            "{config: {port: {lt: 9000, gte: 8000}}}",
            "{dp: 1, pp: 1}",
            "{gpus_per_node: 1}",
            "{config: {a: 1}}",
        ];
        let _ = writeln!(out, "- when: {}", dice.one(&whens));
        let layers = [
            "  defaults: {a: L, max_model_len: 1}",
            "  defaults: {b: '{{z}}'}\n  env: {A: layer}",
            "  env: {C: 1.10}",
            "  container: img:x",
            "  defaults: {speculative_config: {q: 1}}",
        ];
        let _ = writeln!(out, "{}", dice.one(&layers));
    }
}

fn command(dice: &mut Dice, out: &mut String, template: &str) {
    let is_block = !template.contains("\\\t\n") || dice.flip(2);
    if is_block && !template.starts_with([' ', '\n']) && !dice.flip(4) {
        let _ = writeln!(out, "command: |");
        for line in template.split('\n') {
            let _ = writeln!(out, "  {line}");
        }
        return;
    }
    let escaped = template.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let _ = writeln!(out, "command: \"{}\"", escaped.replace('\t', "\\t"));
}

fn set(dice: &mut Dice) -> Vec<(String, String)> {
    let mut set: Vec<(String, String)> = Vec::new();
    for _ in 0..=dice.roll(3) {
        let (key, values) = SETS[dice.roll(SETS.len())];
        let fits = !key.contains('.') || dice.flip(3);
        if fits && !set.iter().any(|(known, _)| known == key) {
            set.push((key.to_owned(), dice.one(values).to_owned()));
        }
    }
    set
}

fn place(dice: &mut Dice) -> Option<longhaul::spec::recipe::Deployment> {
    let nodes = dice.one(&["", "1", "2", "4"]);
    let place = || [("nodes".to_owned(), vec![nodes.to_owned()])].into();
    (!nodes.is_empty()).then(place)
}
