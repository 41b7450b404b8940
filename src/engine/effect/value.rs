//! Compares a declared value with a printed one. Engines print Python: `True`, `torch.bfloat16`,
//! `['a', 'b']`, `{'method': 'mtp'}`.

/// Whether a printed value is the declared one; `auto` is any.
pub(crate) fn is_same(setting: &str, declared: &str, told: &str) -> bool {
    let (declared, told) = (unquoted(declared), unquoted(told));
    if declared.starts_with('{') {
        return told.starts_with('{') && has_all(declared, told);
    }
    let (one, other) = (plain(declared), plain(told));
    if one == other || one == "auto" {
        return true;
    }
    match setting {
        // vLLM prints a model's own variant of the declared type, as fp8_ds_mla of fp8, or fp8 of all.
        "kv_cache_dtype" if !told.is_empty() => {
            let (declared, told) = (declared.to_ascii_lowercase(), told.to_ascii_lowercase());
            declared.starts_with(&told) || told.starts_with(&declared)
        }
        "max_model_len" if one == "-1" => true,
        "n_gpu_layers" if other == ALL => one == ALL || number(&one).is_some_and(|n| n > 0.0),
        // SGLang has two names for it.
        "speculative_algorithm" => one == "nextn" && other == "eagle",
        "model" | "revision" => false,
        _ if told.starts_with(['[', '(']) => words(told) == words(declared),
        _ => number(declared)
            .zip(number(told))
            .is_some_and(|(one, other)| (one - other).abs() < 1e-9),
    }
}

/// Value of a number of layers that is all of them.
pub(crate) const ALL: &str = "all";

/// Whether two objects share a field, and every field that both have is the same. `None` where they
/// share none.
pub(crate) fn agree(declared: &str, told: &str) -> Option<bool> {
    let told = fields(inside(unquoted(told)), ':');
    let shared = fields(inside(unquoted(declared)), ':').into_iter().filter_map(|(name, value)| {
        let (_, other) = told.iter().find(|(other, _)| *other == name)?;
        Some(is_same(name, value, other))
    });
    shared.reduce(|all, same| all && same)
}

/// Whether a chosen kernel is the declared one: engines write `'VLLM_CUTLASS' NvFp4` for `cutlass`.
pub(crate) fn is_chosen(setting: &str, declared: &str, told: &str) -> bool {
    let letters = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    is_same(setting, declared, told)
        || setting.ends_with("_backend") && letters(told).contains(&letters(declared))
}

/// Whether every field of a declared object is in a printed one, with the same value.
fn has_all(declared: &str, told: &str) -> bool {
    let told = fields(inside(told), ':');
    fields(inside(declared), ':').into_iter().all(|(name, value)| {
        told.iter().any(|(other, told)| *other == name && is_same(name, value, told))
    })
}

/// Returns the text between the outer brackets of an object.
fn inside(object: &str) -> &str {
    object.strip_prefix('{').unwrap_or(object)
}

/// Splits a list of named values, up to the bracket that closes it: `'a': 1, 'b': [2, 3]}`, or with
/// another mark `a=1, b=f(c=2)`. A last value that was cut is left out.
pub(crate) fn fields(text: &str, mark: char) -> Vec<(&str, &str)> {
    let mut fields = Vec::new();
    let (mut depth, mut quote, mut escaped, mut from) = (0u32, None, false, 0);
    let mut end = text.len();
    let mut push = |part: &'_ str, from: usize| {
        let part = &text[from..from + part.len()];
        if let Some((name, value)) = named(part, mark) {
            fields.push((name, value));
        }
    };
    for (at, character) in text.char_indices() {
        match (character, quote) {
            _ if escaped => escaped = false,
            ('\\', Some(_)) => escaped = true,
            (_, Some(open)) => quote = quote.filter(|_| character != open),
            ('\'' | '"', None) => quote = Some(character),
            ('(' | '[' | '{', None) => depth += 1,
            (')' | ']' | '}', None) if depth == 0 => {
                end = at;
                break;
            }
            (')' | ']' | '}', None) => depth -= 1,
            (',', None) if depth == 0 => {
                push(&text[from..at], from);
                from = at + 1;
            }
            _ => {}
        }
    }
    let last = &text[from..end];
    if depth == 0 && quote.is_none() && !last.ends_with('…') {
        push(last, from);
    }
    fields
}

/// Splits a named value.
fn named(part: &str, mark: char) -> Option<(&str, &str)> {
    let (name, value) = part.split_once(mark)?;
    Some((unquoted(name), unquoted(value)))
}

/// Removes the quotes around a text.
pub(crate) fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let of = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    of('\'').or_else(|| of('"')).unwrap_or(text)
}

/// Returns a value in the form in which equal ones are equal.
fn plain(value: &str) -> String {
    let lower = value.trim().to_ascii_lowercase();
    let lower = lower.strip_prefix("torch.").unwrap_or(&lower);
    match lower {
        "fp8" => "fp8_e4m3",
        "half" | "fp16" => "float16",
        "bf16" => "bfloat16",
        "float" | "fp32" => "float32",
        "on" | "yes" => "true",
        "off" | "no" => "false",
        other => other,
    }
    .to_owned()
}

/// Parses a number; vLLM takes `128k` (thousands) and `128K` (1,024 each).
fn number(text: &str) -> Option<f64> {
    if let Ok(number) = text.parse::<f64>() {
        return Some(number).filter(|number| number.is_finite());
    }
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let factor = match unit {
        "k" => 1e3,
        "K" => 1024.0,
        "m" => 1e6,
        "M" => 1_048_576.0,
        _ => return None,
    };
    Some(digits.parse::<f64>().ok()? * factor)
}

/// Returns the words of a list, in whatever form it is written.
fn words(list: &str) -> Vec<String> {
    let words = list.split(|c: char| c.is_whitespace() || "[](),'\"".contains(c));
    words.filter(|word| !word.is_empty()).map(plain).collect()
}
