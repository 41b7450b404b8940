//! The shape of a YAML file.
