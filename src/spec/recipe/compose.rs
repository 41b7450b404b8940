//! Reads the server's service of a compose file as a `docker run` line.

use super::docker::{self, Line};
use crate::error::Mistake;
use crate::shell;
use crate::spec::SpecFile;
use crate::spec::field::{Field, document, no_duplicate, shown};
use crate::spec::node::Node;
use crate::spec::node::python::Python;

/// Keys of a service whose option of `docker run` has another name.
const OPTIONS: [(&str, &str); 4] = [
    ("container_name", "--name"),
    ("network_mode", "--network"),
    ("ports", "-p"),
    ("volumes", "-v"),
];

/// Keys of a service that are read as other parts of a line.
const PARTS: [&str; 6] = ["image", "entrypoint", "command", "environment", "env_file", "deploy"];

/// Reads a compose file; `None` where the text is none.
///
/// # Errors
/// The text is no YAML, or not one service of it serves a model by an image that it names.
pub(super) fn line(source: &SpecFile) -> Result<Option<Line>, Mistake> {
    let document = document(source)?;
    let root = Field::root(source, &document);
    let Some(services) = root.node.get("services").filter(|node| node.is_map()) else {
        return Ok(None);
    };
    let services = root.below("services", services);
    no_duplicate(source, &document)?;
    let (name, service) = server(&services)?;
    let get = |key: &str| service.node.get(key).filter(|node| !node.is_null());
    if let Some(node) = get("extends") {
        let what = "`extends` takes settings from elsewhere, and is not followed";
        return Err(service.below("extends", node).mistake(what).hint("the settings themselves"));
    }
    let Some(image) = get("image") else {
        let what = format!("{} names no image: whoever builds it has it", shown(name));
        return Err(service.mistake(what).hint("image: repository:tag"));
    };
    let image = service.below("image", image);
    let entry = get("entrypoint").map(command);
    let both = [entry.clone(), get("command").map(command)].into_iter().flatten();
    let both = both.filter(|words| !words.is_empty()).collect::<Vec<_>>().join(" ");
    let others = services.node.entries().into_iter().filter(|(other, _)| *other != name);
    let others: Vec<_> = others.map(|(other, _)| shown(other)).collect();
    let is_alone = others.is_empty();
    let beside = (!is_alone).then(|| format!("left out: the services {}", others.join(", ")));
    let included = root.node.get("include").map(|_| "not read: `include`".to_owned());
    let file =
        get("env_file").map(|file| format!("not read: `env_file`: {}", Python::of(file).flag()));
    Ok(Some(Line {
        image: literal(image.text()?),
        image_at: image.node.span.clone(),
        env: get("environment").map(environment).unwrap_or_default(),
        command: Some(both).filter(|words| !words.is_empty()),
        entry,
        options: options(service.node),
        notes: beside.into_iter().chain(included).chain(file).collect(),
        service: Some(name.to_owned()),
        ..Line::default()
    }))
}

/// Returns the only service, or the only one that serves a model.
fn server<'a>(services: &Field<'a>) -> Result<(&'a str, Field<'a>), Mistake> {
    let all = services.any_map()?;
    let names = |some: &[(&str, Field<'_>)]| {
        some.iter().map(|(name, _)| shown(name)).collect::<Vec<_>>().join(", ")
    };
    let those = |of: fn(&Node) -> bool| -> Vec<(&str, Field<'_>)> {
        all.iter().filter(|(_, it)| of(it.node)).cloned().collect()
    };
    let (serving, unnamed) = (those(serves), those(is_image_variable));
    let what = match (all.as_slice(), serving.as_slice()) {
        ([only], _) | (_, [only]) => return Ok(only.clone()),
        // What only compose knows is named further on.
        (_, []) if unnamed.len() == 1 => return Ok(unnamed[0].clone()),
        ([], _) => "there is no service in it".to_owned(),
        (_, []) => format!("none of these services is known to serve a model: {}", names(&all)),
        (_, several) => format!("several services serve a model: {}", names(several)),
    };
    Err(services.mistake(what).hint("a file with the server's service alone"))
}

fn serves(service: &Node) -> bool {
    let image = service.get("image").and_then(Node::said).unwrap_or_default();
    let parts = ["entrypoint", "command"].iter().filter_map(|key| service.get(key));
    docker::serves(image, &parts.map(command).collect::<Vec<_>>().join(" "))
}

fn is_image_variable(service: &Node) -> bool {
    service.get("image").and_then(Node::said).is_some_and(|image| image.starts_with('$'))
}

/// Returns a command as one line: a list's items quoted, a text as compose splits it.
fn command(node: &Node) -> String {
    let Some(items) = node.items() else {
        let text = literal(node.said().unwrap_or_default()).replace("\\\n", " ");
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        return lines.collect::<Vec<_>>().join(" ").trim().to_owned();
    };
    // A variable stays outside quotes, since compose fills it in there too.
    let is_variable = |word: &str| word.contains('$') && !word.contains([' ', '\'', '"']);
    let word = |it: String| if is_variable(&it) { it } else { shell::quoted(&it) };
    let words = items.iter().filter_map(Node::text).map(literal).map(word);
    words.collect::<Vec<_>>().join(" ")
}

/// Undoes compose's own escape, `$$`.
fn literal(text: &str) -> String {
    text.replace("$$", "$")
}

/// Returns variables; a list's item without `=` and a value that is null come from the caller.
fn environment(node: &Node) -> Vec<(String, Option<String>)> {
    let of_item = |item: &str| match item.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(literal(value))),
        None => (item.to_owned(), None),
    };
    let pairs = node.entries().into_iter();
    let pairs = pairs.map(|(key, value)| (key.to_owned(), value.said().map(literal)));
    let items = node.items().unwrap_or_default().iter().filter_map(Node::text);
    items.map(of_item).chain(pairs).collect()
}

/// Returns the other keys of a service as options of `docker run`, a list's items one by one.
fn options(service: &Node) -> Vec<(String, String)> {
    let mut options = Vec::new();
    for (key, node) in service.entries().into_iter().filter(|(key, _)| !PARTS.contains(key)) {
        let name = OPTIONS.iter().find(|(known, _)| *known == key);
        let name =
            name.map_or_else(|| format!("--{}", key.replace('_', "-")), |it| it.1.to_owned());
        let items = node.items().unwrap_or(std::slice::from_ref(node));
        options.extend(items.iter().map(|item| (name.clone(), value(item))));
    }
    let gpus = ["resources", "reservations", "devices"];
    let gpus = gpus.iter().try_fold(service.get("deploy"), |node, key| Some(node?.get(key)));
    for device in gpus.flatten().and_then(Node::items).unwrap_or_default() {
        let ids = device.get("device_ids").and_then(Node::items).unwrap_or_default();
        let ids = ids.iter().filter_map(Node::text).collect::<Vec<_>>().join(",");
        let count = device.get("count").and_then(Node::said).unwrap_or("all").to_owned();
        options.push((
            "--gpus".to_owned(),
            if ids.is_empty() { count } else { format!("device={ids}") },
        ));
    }
    options
}

/// Returns the value of an option; ports and volumes have a long form too.
fn value(node: &Node) -> String {
    let pair = |from: &str, to: &str| {
        let said = |key: &str| node.get(key).and_then(Node::said);
        Some(format!("{}:{}", said(from)?, said(to)?))
    };
    let long = pair("published", "target").or_else(|| pair("source", "target"));
    long.unwrap_or_else(|| literal(&Python::of(node).flag()))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use crate::error::Mistake;
    use crate::shown::each;
    use crate::spec::SpecFile;
    use crate::spec::recipe::{ReadOptions, ReadRecipe, RenderMethod, read_as};

    fn reading(text: &str) -> Result<ReadRecipe, Mistake> {
        let source = SpecFile { name: "c".into(), origin: "c.yaml".into(), text: text.into() };
        read_as(&source, &ReadOptions::default(), &|_| Ok(None))
    }

    /// All that a compose file gives, a line each.
    fn read(text: &str) -> String {
        let ReadRecipe { recipe, how, others, .. } = reading(text).expect("readable");
        assert_eq!(how, RenderMethod::Composed);
        let pairs = |name: &str, pairs: &[(String, String)]| {
            let pairs = pairs.iter().map(|(key, value)| format!("{key} {value}"));
            format!("{name}: {}\n", pairs.collect::<Vec<_>>().join("; "))
        };
        let settings: Vec<_> = recipe.settings.clone().into_iter().collect();
        format!(
            "{} | {} | {}\ncommand: {}\n{}{}{}{}",
            recipe.container.as_deref().unwrap_or("-"),
            recipe.runtime,
            recipe.model.as_deref().unwrap_or("-"),
            recipe.command.as_deref().unwrap_or("-"),
            pairs("settings", &settings),
            pairs("env", &recipe.env),
            pairs("options", &others),
            recipe.warnings.join("\n"),
        )
    }

    #[test]
    fn a_service_is_read_as_a_docker_run_whatever_form_its_parts_have() {
        let texts = [
            "# mine\nversion: '3.8'\nservices:\n  llm:\n    image: \"vllm/vllm-openai:v0.20.0\"\n    \
             container_name: brain\n    ports: ['8000:8000', {target: 9000, published: 9001}]\n    \
             restart: no\n    environment: [HF_TOKEN, 'A=b c', 'P=$$HOME']\n    command: >\n      \
             --model org/m\n      --max-model-len 8192 --tensor-parallel-size 2\n    \
             deploy: {resources: {reservations: {devices: [{driver: nvidia, count: 1, capabilities: [gpu]}]}}}\n",
            "services:\n  web: {image: 'ghcr.io/open-webui/open-webui:main', depends_on: [llm]}\n  llm:\n    \
             image: lmsysorg/sglang:latest\n    entrypoint: python3 -m sglang.launch_server\n    \
             command: [--model-path, org/m, --context-length, '4096']\n    environment: {A: 1, B: , C: 'x'}\n    \
             env_file: [.env, b.env]\n    volumes: [{type: bind, source: ./x, target: /x}]\n    \
             deploy: {resources: {reservations: {devices: [{device_ids: ['0', '1']}]}}}\n",
            "services: {a: {image: 'me/own:1', gpus: all, privileged: true, entrypoint: [bash, -c], \
             command: ['cd /x && vllm serve org/m --max-num-seqs 4']}}\n",
            "services:\n  db: {image: 'postgres:16'}\n  x:\n    image: ghcr.io/ggml-org/llama.cpp:server-cuda\n    \
             command: |\n      # a note\n      -hf org/m:Q4 \\\n      --ctx-size ${CTX:-4096} ${MORE}\n",
        ];
        assert_snapshot!("composed", each(texts, |text| read(text)));
    }

    #[test]
    fn what_only_compose_knows_is_named_and_refused_with_what_to_write() {
        let of = |service: &str| format!("services:\n  a:\n    {service}\n");
        let texts = [
            of("image: vllm/vllm-openai:${TAG:-v0.20.0}\n    command: org/m"),
            of("image: ${IMAGE}\n    command: org/m"),
            of("image: vllm/vllm-openai:1\n    command: --model ${MODEL:-org/m} --port 1"),
            of("image: vllm/vllm-openai:1\n    command: [--model, $MODEL]"),
            of("image: vllm/vllm-openai:1\n    command: --port=5000 ${VLLM_ARGS}"),
            of("image: x/y\n    image: x/z"),
            of("build: ."),
            of("extends: {service: b}\n    image: x/y"),
            of("image: [a]"),
            "services:\n  a: {image: vllm/x}\n  b: {image: sglang/y}\n".to_owned(),
            "services:\n  a: {image: redis}\n  b: {image: nginx}\n".to_owned(),
            "services:\n  a: {image: redis}\n  b: {image: $IMAGE, command: --model m}\n".to_owned(),
            "services: {}\n".to_owned(),
            "services:\n  a: null\n".to_owned(),
            "x-gpu: &gpu {gpus: all}\nservices:\n  a: {<<: *gpu, image: vllm/x}\n".to_owned(),
        ];
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_snapshot!("refused", each(texts, |text| reading(text).unwrap_err().to_string()));
    }
}
