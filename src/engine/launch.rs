//! From the keys of a recipe's defaults to an engine's flags: what sparkrun
//! 0.4 writes for a recipe without a command, in its order.

/// How a key becomes a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The flag and its value.
    Value,
    /// The flag where it is on, nothing where it is off.
    Switch,
    /// The flag where it is on, `--no-…` where it is off: on is the engine's own default.
    Negatable,
}

/// A key of `defaults` that becomes a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlagKey {
    pub name: &'static str,
    /// The flag, where it is not the key with dashes.
    pub spelled: Option<&'static str>,
    pub shape: Shape,
}

impl FlagKey {
    /// The flag: `max_num_seqs` is `--max-num-seqs`.
    pub(crate) fn flag(&self) -> String {
        match self.spelled {
            Some(flag) => flag.to_owned(),
            None => format!("--{}", self.name.replace('_', "-")),
        }
    }
}

/// A key whose value follows its flag.
pub(crate) const fn value(name: &'static str) -> FlagKey {
    FlagKey { name, spelled: None, shape: Shape::Value }
}

/// The same under a flag of another name.
pub(crate) const fn spelled(name: &'static str, flag: &'static str) -> FlagKey {
    FlagKey { name, spelled: Some(flag), shape: Shape::Value }
}

pub(crate) const fn switch(name: &'static str) -> FlagKey {
    FlagKey { name, spelled: None, shape: Shape::Switch }
}

/// A switch that off is written for, too.
pub(crate) const fn negatable(name: &'static str) -> FlagKey {
    FlagKey { name, spelled: None, shape: Shape::Negatable }
}
