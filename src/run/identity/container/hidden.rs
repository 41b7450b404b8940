//! Decides whether a variable may hold a secret, by its name or by the form of
//! its value. In doubt it is hidden: a value hidden by mistake can be looked up
//! elsewhere, a value written by mistake cannot be taken back.

/// Suffixes of a name's parts: `HF_TOKEN`, `VLLM_API_KEY`, `OPENAI_APIKEY`. `TOKENS` is not among
/// them, since such values are mostly counts (`MAX_TOKENS`).
const SECRET_SUFFIXES: [&str; 9] =
    ["TOKEN", "KEY", "KEYS", "SECRET", "SECRETS", "PASSWORD", "PASSWD", "COOKIE", "JWT"];

/// Whole parts of a name; as suffixes they would match ordinary words.
const PARTS: [&str; 6] = ["PASS", "PW", "AUTH", "AUTHORIZATION", "CREDENTIAL", "CREDENTIALS"];

/// Prefixes of the keys and tokens of well-known services.
const SECRET_PREFIXES: [&str; 12] = [
    "hf_",
    "sk-",
    "ghp_",
    "gho_",
    "github_pat_",
    "glpat-",
    "nvapi-",
    "xoxb-",
    "AKIA",
    "eyJ",
    "Bearer ",
    "-----BEGIN",
];

/// Whether a variable's value must not be written.
pub(super) fn may_be_secret(name: &str, value: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let named = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|part| PARTS.contains(&part) || SECRET_SUFFIXES.iter().any(|end| part.ends_with(end)));
    named || SECRET_PREFIXES.iter().any(|begin| value.starts_with(begin)) || has_password(value)
}

/// Whether a value is a URL with credentials, such as `https://user:password@host`.
fn has_password(value: &str) -> bool {
    value.match_indices("://").any(|(at, _)| {
        let rest = &value[at + 3..];
        let host = rest.split(['/', '?', '#', ' ']).next().unwrap_or_default();
        host.contains('@')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_hide_their_values_and_names_that_only_look_alike_do_not() {
        for name in [
            "HF_TOKEN",
            "VLLM_API_KEY",
            "hugging_face_hub_token",
            "OPENAI_APIKEY",
            "PGPASSWORD",
            "NETRC_AUTH",
            "X-AUTH",
        ] {
            assert!(may_be_secret(name, "x"), "{name}");
        }
        for name in ["TOKENIZERS_PARALLELISM", "MAX_TOKENS", "PATH", "PWD", "BYPASS_X", "AUTHOR"] {
            assert!(!may_be_secret(name, "x"), "{name}");
        }
    }

    #[test]
    fn values_that_look_like_a_key_are_hidden_whatever_their_name() {
        for value in ["hf_abc", "Bearer x", "http://me:pw@proxy:3128/", "a,https://t@h"] {
            assert!(may_be_secret("X", value), "{value}");
        }
        assert!(!may_be_secret("X", "http://proxy:3128/@me"));
    }
}
