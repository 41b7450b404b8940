//! Checks the reader of scenarios: any text is a scenario, or a mistake that says where it stands.

use crate::spec::{SpecFile, scenario};

/// Reads arbitrary text as a scenario. Files that it names hold the same text.
pub fn scenario(text: &str) {
    let source = SpecFile { name: "s".into(), origin: "s.yaml".into(), text: text.to_owned() };
    match scenario::read(source, &|_| Ok(text.to_owned())) {
        Ok(read) => assert!(!read.workloads.is_empty(), "a scenario without a workload"),
        Err(mistake) => {
            let words = mistake.to_string();
            assert!(words.starts_with("error: ") && words.contains("s.yaml"), "{words}");
        }
    }
}
