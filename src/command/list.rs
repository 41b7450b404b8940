//! Implements `longhaul list`: what is built in.

use std::fmt::Write;

use super::finish;
use super::inputs::read_scenario;
use crate::exit::Exit;
use crate::report::Printable;
use crate::report::layout::indented;
use crate::sim::ailment;
use crate::spec::scenario::Overrides;
use crate::spec::shipped::{self, FileKind};
use crate::spec::{profile, recipe};

/// Lists what is built in, with the purpose of each.
pub(crate) fn list() -> Exit {
    let mut out = String::new();
    for (title, kind) in [
        ("recipes", FileKind::Recipe),
        ("scenarios", FileKind::Scenario),
        ("profiles", FileKind::Profile),
    ] {
        out.push_str(title);
        out.push('\n');
        for name in shipped::names(kind) {
            let _ = write!(out, "  {name}\n{}", indented(&about(kind, name), 6));
        }
    }
    out.push_str("ailments, to be rehearsed; of run --simulate and sim too\n");
    for name in ailment::NAMES {
        let _ = writeln!(out, "  {}", ailment::example(name));
    }
    finish(&Printable::terminal(&out), Exit::Pass)
}

/// Returns the purpose of a shipped file; a test reads all of them.
fn about(kind: FileKind, name: &str) -> String {
    let Some(source) = shipped::shipped(kind, name) else { return String::new() };
    let about = match kind {
        FileKind::Recipe => recipe::read(source).map(|recipe| recipe.about),
        FileKind::Scenario => {
            read_scenario(&source, &Overrides::default()).map(|scenario| scenario.about)
        }
        FileKind::Profile => profile::read(source).map(|profile| profile.about),
    };
    about.unwrap_or_else(|wrong| wrong.to_string())
}
