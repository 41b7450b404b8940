"""Renders recipes with the tools that own them, for tests/inside/oracle.rs.

Reads one JSON object a line ({path, set, tool, place}) and answers each
with one ({command, env} or {error}). Needs sparkrun 0.4.2; launches nothing.
"""

import dataclasses
import json
import re
import sys

import yaml

from sparkrun.core.dotted_overrides import fold_dotted_overrides
from sparkrun.core.recipe import Recipe
from sparkrun.core.recipe_overrides import apply_recipe_override_layers, build_override_context
from sparkrun.runtimes.llama_cpp import LlamaCppRuntime
from sparkrun.runtimes.sglang import SglangRuntime
from sparkrun.runtimes.vllm_distributed import VllmDistributedRuntime
from sparkrun.runtimes.vllm_ray import VllmRayRuntime
from sparkrun.utils.text import coerce_value

RUNTIMES = {
    "vllm-distributed": VllmDistributedRuntime,
    "vllm-ray": VllmRayRuntime,
    "eugr-vllm": VllmRayRuntime,
    "sglang": SglangRuntime,
    "llama-cpp": LlamaCppRuntime,
}


def by_sparkrun(ask):
    # Resolving twice would take doubled braces for single ones twice.
    recipe = Recipe.load(ask["path"], resolve=False)
    chosen = {key: coerce_value(value.strip()) for key, value in ask["set"]}
    for key in [key for key in chosen if key.startswith("env.")]:
        recipe.env[key[4:]] = str(chosen.pop(key))
        recipe._cli_env_keys.add(key[4:])
    recipe.resolve(chosen)
    kind = RUNTIMES.get(recipe.runtime)
    runtime = kind.__new__(kind) if kind else None
    if ask["place"] is not None:
        context = build_override_context(recipe, chosen, runtime=runtime)
        shape = {**context.shape, **{key: int(value) for key, value in ask["place"].items()}}
        apply_recipe_override_layers(recipe, dataclasses.replace(context, shape=shape))
    command = recipe.render_command(recipe.build_config_chain(chosen))
    if not command:
        command = runtime.generate_command(recipe, chosen, False) if runtime else None
    return {"command": command, "env": list(recipe.env.items())}


def by_eugr(ask):
    with open(ask["path"]) as file:
        recipe = yaml.safe_load(file)
    defaults = recipe.get("defaults") or {}
    chosen = {key: coerce_value(value.strip()) for key, value in ask["set"]}
    command = recipe["command"].format(**{**defaults, **fold_dotted_overrides(chosen, defaults.get)})
    # Since July 2026 without --ray: the flag, and lines that are empty then, are left away.
    command = re.sub(r"--distributed-executor-backend\s+\S+", "", command)
    command = "\n".join(line for line in command.split("\n") if line.strip() not in ("", "\\"))
    command = command.rstrip()
    if command.endswith("\\"):
        command = command.rstrip("\\\n").rstrip()
    return {"command": command.strip(), "env": None}


def main():
    for line in sys.stdin:
        ask = json.loads(line)
        try:
            answer = by_eugr(ask) if ask["tool"] == "eugr" else by_sparkrun(ask)
        except Exception as error:  # what the tool refuses is an answer, too
            answer = {"error": "%s: %s" % (type(error).__name__, error)}
        print(json.dumps(answer), flush=True)


main()
