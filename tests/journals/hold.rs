//! Compares checked-in files with newly generated ones.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the run folders.
pub(super) fn journals() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals")
}

/// Holds a file that is checked in to its bytes, or writes it anew where that is asked for.
pub(super) fn hold(path: &Path, bytes: &[u8], wrong: &mut Vec<String>) {
    if std::env::var_os("LONGHAUL_MAKE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let known = fs::read(path).unwrap_or_default();
    if known != bytes {
        let name = path.strip_prefix(journals()).unwrap().display();
        wrong.push(format!("{name}, {}", first_difference(&known, bytes)));
    }
}

fn first_difference(known: &[u8], bytes: &[u8]) -> String {
    let [known, bytes] = [known, bytes].map(String::from_utf8_lossy);
    let same = known.lines().zip(bytes.lines()).take_while(|(known, now)| known == now).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("nothing").to_owned();
    format!("line {}:\n  is  {}\n  now {}", same + 1, line(&known), line(&bytes))
}
