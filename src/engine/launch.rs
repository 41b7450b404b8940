//! Converts the keys of a recipe's defaults to an engine's flags: what sparkrun 0.4 writes for a
//! recipe without a command, in its order.

/// Rule by which a key becomes a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Flag and value.
    Value,
    /// Flag if the key is true, nothing if it is false.
    Switch,
    /// Flag if the key is true, `--no-…` if it is false: the engine's own default is on.
    Negatable,
}

/// Key of `defaults` that becomes a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlagKey {
    pub name: &'static str,
    /// Spelling of the flag, where it is not the key with dashes.
    pub spelled: Option<&'static str>,
    pub shape: Shape,
}

impl FlagKey {
    /// Returns the flag: `max_num_seqs` becomes `--max-num-seqs`.
    pub(crate) fn flag(&self) -> String {
        match self.spelled {
            Some(flag) => flag.to_owned(),
            None => format!("--{}", self.name.replace('_', "-")),
        }
    }
}

/// Creates a key whose value follows its flag.
pub(crate) const fn value(name: &'static str) -> FlagKey {
    FlagKey { name, spelled: None, shape: Shape::Value }
}

/// Creates a key with a value whose flag has another name.
pub(crate) const fn spelled(name: &'static str, flag: &'static str) -> FlagKey {
    FlagKey { name, spelled: Some(flag), shape: Shape::Value }
}

pub(crate) const fn switch(name: &'static str) -> FlagKey {
    FlagKey { name, spelled: None, shape: Shape::Switch }
}

/// Creates a switch that is written when it is off, too.
pub(crate) const fn negatable(name: &'static str) -> FlagKey {
    FlagKey { name, spelled: None, shape: Shape::Negatable }
}
