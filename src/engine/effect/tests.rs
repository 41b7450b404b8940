//! Tests what is read of settings against lines of real servers.

use super::value::{agree, fields, is_chosen, is_same};
use super::*;
use crate::engine::signature::{LogSource, classify};

/// Returns what a line tells, as `setting value kind`.
fn of(line: &str) -> Vec<String> {
    let signature = classify(LogSource::Server, line).map_or("", |signature| signature.name);
    let told = told(signature, line).into_iter();
    told.map(|told| format!("{} {} {:?}", told.setting, told.value, told.kind)).collect()
}

#[test]
fn the_arguments_and_the_configuration_of_a_real_vllm_are_read() {
    let line = "(APIServer pid=3590) INFO 11-22 07:17:21 [api_utils.py:286] non-default args: {'model_tag': '/srv/m, x', 'enable_auto_tool_choice': True, 'tool_call_parser': 'hermes', 'port': 18102, 'max_model_len': 131072, 'served_model_name': ['m', 'n'], 'reasoning_parser': 'qwen3', 'lora_modules': [LoRAModulePath(name='a', path='b')], 'speculative_config': {'method': 'mtp', 'num_speculative_tokens': 1}}";
    insta::assert_snapshot!(of(line).join("\n"), @r"
    model_tag /srv/m, x Argument
    enable_auto_tool_choice True Argument
    tool_call_parser hermes Argument
    port 18102 Argument
    max_model_len 131072 Argument
    served_model_name ['m', 'n'] Argument
    reasoning_parser qwen3 Argument
    lora_modules [LoRAModulePath(name='a', path='b')] Argument
    speculative_config {'method': 'mtp', 'num_speculative_tokens': 1} Argument
    ");
    let line = "(EngineCore pid=3915) INFO 11-22 07:17:38 [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: model='/srv/llm/model/tiny-trained', speculative_config=None, dtype=torch.bfloat16, max_seq_len=131072, load_format=auto, tensor_parallel_size=1, quantization=None, enforce_eager=True, aux_output_config=AuxOutputConfig(enable_return_routed_experts=False, max_bytes=None), kv_cache_dtype=auto, structured_outputs_config=StructuredOutputsConfig(backend='auto', reasoning_parser='qwen3', reasoning_parser_plugin='', enable_in_reasoning=False), seed=0, served_model_name=m, enable_prefix_caching=True, enable_chunked_prefill=True, pooler_config=None, compilation_config={'mode': <CompilationMode.NONE: 0>}";
    insta::assert_snapshot!(of(line).join("\n"), @r"
    speculative_config None Effective
    dtype torch.bfloat16 Effective
    max_model_len 131072 Effective
    tensor_parallel_size 1 Effective
    quantization None Effective
    enforce_eager True Effective
    kv_cache_dtype auto Effective
    reasoning_parser qwen3 Effective
    seed 0 Effective
    enable_prefix_caching True Effective
    enable_chunked_prefill True Effective
    ");
    let line = "INFO [core.py:109] Initializing a V1 LLM engine (v0.29.0) with config: model='/m', speculative_config=SpeculativeConfig(method='mtp', model='/m', num_spec_tokens=3), tokenizer='/m'";
    assert_eq!(of(line), ["speculative_config {num_speculative_tokens: 3} Effective"]);
}

#[test]
fn what_vllm_chose_and_what_it_ignores_are_read() {
    for (line, expected) in [
        (
            "INFO [nvfp4.py:209] Using 'MARLIN' NvFp4 MoE backend out of potential backends: ['MARLIN'].",
            "moe_backend 'MARLIN' NvFp4 Chosen",
        ),
        (
            "INFO 05-01 [cuda.py:368] Using FLASHINFER attention backend out of potential backends: ['FLASHINFER'].",
            "attention_backend FLASHINFER Chosen",
        ),
        (
            "INFO [cuda.py:318] Using AttentionBackendEnum.TRITON_ATTN backend.",
            "attention_backend TRITON_ATTN Chosen",
        ),
        (
            "INFO [cache.py:247] Using fp8_e4m3 data type to store kv cache. It reduces the GPU memory",
            "kv_cache_dtype fp8_e4m3 Effective",
        ),
        (
            "WARNING [envs.py:1818] Unknown vLLM environment variable detected: VLLM_FOO",
            "env.VLLM_FOO unknown Effective",
        ),
        (
            "INFO [vllm.py:754] Asynchronous scheduling is disabled.",
            "async_scheduling false Chosen",
        ),
        (
            "INFO [arg_utils.py:1166] Chunked prefill is not supported for ARM; disabling it",
            "enable_chunked_prefill false Effective",
        ),
        ("INFO [model.py:2152] Using max model len 8192", "max_model_len 8192 Chosen"),
    ] {
        assert_eq!(of(line), [expected], "{line}");
    }
    assert!(of("INFO Using AttentionBackendEnum.FLASH_ATTN for MMEncoderAttention.").is_empty());
}

#[test]
fn the_arguments_of_sglang_and_the_slots_of_llama_cpp_have_their_common_names() {
    let line = "[2026-03-04 15:12:54] server_args=ServerArgs(model_path='org/m', context_length=None, disable_radix_cache=True, kv_cache_dtype='auto', mem_fraction_static=0.91, max_running_requests=128, frobnicate=1)";
    insta::assert_snapshot!(of(line).join("\n"), @r"
    model org/m Effective
    max_model_len None Effective
    enable_prefix_caching false Effective
    kv_cache_dtype auto Effective
    gpu_memory_utilization 0.91 Effective
    max_num_seqs 128 Effective
    ");
    let line = "[2026-03-30 14:21:44 TP0] max_total_num_tokens=181721, chunked_prefill_size=8192, max_prefill_tokens=16384, max_running_requests=48, context_len=196608, available_gpu_mem=7.74 GB";
    let expected = [
        "max_num_seqs 48 Effective",
        "max_num_batched_tokens 8192 Effective",
        "max_model_len 196608 Effective",
    ];
    assert_eq!(of(line), expected);
    let line = "0.11.838.753 I srv    load_model: initializing, n_slots = 2, n_ctx_slot = 8192, kv_unified = 'false'";
    assert_eq!(of(line), ["max_num_seqs 2 Effective"]);
    assert_eq!(of("load_tensors: offloaded 29/29 layers to GPU"), ["n_gpu_layers all Effective"]);
    assert_eq!(of("load_tensors: offloaded 0/29 layers to GPU"), ["n_gpu_layers 0 Effective"]);
}

#[test]
fn a_value_is_the_same_in_every_form_in_which_it_is_written() {
    let same = [
        ("gpu_memory_utilization", "0.750", "0.75"),
        ("max_model_len", "128K", "131072"),
        ("max_model_len", "-1", "4096"),
        ("trust_remote_code", "true", "True"),
        ("dtype", "auto", "torch.bfloat16"),
        ("dtype", "half", "torch.float16"),
        ("kv_cache_dtype", "fp8", "fp8_e4m3"),
        ("kv_cache_dtype", "fp8", "fp8_ds_mla"),
        ("kv_cache_dtype", "fp8_e5m2", "fp8"),
        ("served_model_name", "a b", "['a', 'b']"),
        ("n_gpu_layers", "99", "all"),
        ("speculative_algorithm", "NEXTN", "EAGLE"),
        (
            "speculative_config",
            r#"{"method": "mtp", "n": {"a": 1}}"#,
            "{'n': {'a': 1}, 'method': 'mtp'}",
        ),
    ];
    for (setting, declared, told) in same {
        assert!(is_same(setting, declared, told), "{setting}: {declared}, {told}");
    }
    let other = [
        ("kv_cache_dtype", "fp8", "auto"),
        ("kv_cache_dtype", "fp8", "bfloat16"),
        ("max_num_seqs", "4", "16"),
        ("reasoning_parser", "super_v3", "None"),
        ("n_gpu_layers", "99", "0"),
        ("served_model_name", "a", "['b']"),
        ("speculative_config", r#"{"method": "mtp"}"#, "None"),
        ("speculative_config", r#"{"method": "mtp", "k": 2}"#, "{'method': 'mtp', 'k': 1}"),
    ];
    for (setting, declared, told) in other {
        assert!(!is_same(setting, declared, told), "{setting}: {declared}, {told}");
    }
    assert!(is_chosen("moe_backend", "marlin", "'MARLIN' NvFp4"));
    assert!(is_chosen("moe_backend", "cutlass", "'VLLM_CUTLASS' NvFp4"));
    assert!(is_chosen("attention_backend", "triton-attn", "TRITON_ATTN"));
    assert!(!is_chosen("moe_backend", "marlin", "'FLASHINFER_CUTLASS' NvFp4"));
    let drafts = r#"{"method": "mtp", "num_speculative_tokens": 2}"#;
    assert_eq!(agree(drafts, "{num_speculative_tokens: 2}"), Some(true));
    assert_eq!(agree(drafts, "{num_speculative_tokens: 1}"), Some(false));
    assert_eq!(agree(drafts, "{other: 1}"), None);
}

#[test]
fn a_list_that_was_cut_loses_its_last_value_and_no_other() {
    let names = |text: &str| -> Vec<String> {
        fields(text, ':').into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    };
    assert_eq!(names("'a': 1, 'b': 'x…"), ["a=1"]);
    assert_eq!(names("'a': 1, 'b': [1, 2"), ["a=1"]);
    assert_eq!(names(r"'a': 'it\'s, so', 'b': 2} more"), [r"a=it\'s, so", "b=2"]);
    assert!(names("").is_empty() && names("}}},,'").is_empty());
}

#[test]
fn what_the_list_of_arguments_lacks_has_its_default_or_was_not_given() {
    let of = |setting, value| is_default(Engine::Vllm, setting, value);
    assert_eq!(of("tensor_parallel_size", "1"), Some(true));
    assert_eq!(of("dtype", "auto"), Some(true));
    assert_eq!(of("reasoning_parser", "qwen3"), Some(false));
    assert_eq!(of("max_num_seqs", "4"), Some(false));
    assert_eq!(of("frobnicate", "4"), None, "nobody knows its default");
    assert_eq!(is_default(Engine::Sglang, "reasoning_parser", "qwen3"), None);
}
