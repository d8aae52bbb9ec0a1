#!/usr/bin/env python3
"""Writes a tiny random model of each family, and how likely Transformers finds a text with it, in f32.

    make_families.py [--out families]

  NAME/                 config.json and model.safetensors of a random model made with the family's own config class
  NAME.gguf             the same numbers as llama.cpp's converter lays them out, where it knows the family
  reference.json        {"tokens": [1500], "nll": {NAME: [1499]}}; Llama 4's GGUF cannot say how long its chunks are, so
                        it has values of its own

Windows and chunks are far shorter than the text, and no multiple of a block. Weights are bf16 numbers, so that every
file holds them exactly. nll[i] is -log p(tokens[i + 1] | tokens[0...i]).
Needs torch, transformers and gguf; see docs/testing.md for the versions the fixtures were made with.
"""

import argparse
import json
import pathlib
import shutil

import gguf
import torch
import transformers

from make_reference import shortest

SEED = 11
TOKENS = 1500
SHAPE = dict(
    vocab_size=96, hidden_size=48, intermediate_size=80, num_hidden_layers=4, num_attention_heads=4,
    num_key_value_heads=2, head_dim=16, max_position_embeddings=2048, rms_norm_eps=1e-5, initializer_range=0.25,
    bos_token_id=1, eos_token_id=2, pad_token_id=None,
)
PLAIN = {"rope_type": "default", "rope_theta": 10000.0}


def shape(**changes):
    return {k: v for k, v in {**SHAPE, **changes}.items() if v is not ...}


def configurations():
    t = transformers
    yield "llama3", t.LlamaForCausalLM, t.LlamaConfig(**shape(
        tie_word_embeddings=True,
        rope_parameters={
            "rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 256,
        }))
    yield "qwen2", t.Qwen2ForCausalLM, t.Qwen2Config(**shape(
        head_dim=..., tie_word_embeddings=True, use_sliding_window=True,
        sliding_window=100, max_window_layers=2,
        rope_parameters={
            "rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 512,
        }))
    yield "qwen3", t.Qwen3ForCausalLM, t.Qwen3Config(**shape(tie_word_embeddings=False, rope_parameters=dict(PLAIN)))
    yield "mistral", t.MistralForCausalLM, t.MistralConfig(**shape(
        tie_word_embeddings=False, sliding_window=90, rope_parameters=dict(PLAIN)))
    yield "gemma2", t.Gemma2ForCausalLM, t.Gemma2Config(**shape(
        sliding_window=100, query_pre_attn_scalar=24, attn_logit_softcapping=6.0, final_logit_softcapping=4.0,
        rope_parameters=dict(PLAIN)))
    yield "gemma3", t.Gemma3ForCausalLM, t.Gemma3TextConfig(**shape(
        sliding_window=70, query_pre_attn_scalar=16,
        layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
        rope_parameters={
            "full_attention": {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0},
            "sliding_attention": dict(PLAIN),
        }))
    yield "llama4", t.Llama4ForCausalLM, t.Llama4TextConfig(**shape(
        intermediate_size=24, intermediate_size_mlp=64, num_local_experts=4, num_experts_per_tok=1,
        interleave_moe_layer_step=2, no_rope_layer_interval=4, attention_chunk_size=150, floor_scale=128,
        attn_scale=0.4, tie_word_embeddings=False,
        rope_parameters={
            "rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 256,
        }))


def random_model(model_class, config):
    torch.manual_seed(SEED)
    config._attn_implementation = "eager"
    model = model_class(config).eval()
    around = 0.0 if "gemma" in config.model_type else 1.0
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.uniform_(around - 0.5, around + 0.5)
            elif name.endswith("bias"):
                weight.uniform_(-0.5, 0.5)
            weight.copy_(weight.to(torch.bfloat16).float())
    return model


def nll(model, tokens):
    with torch.no_grad():
        logits = model(torch.tensor([tokens]), use_cache=False).logits[0].float()
    log_p = torch.log_softmax(logits[:-1], dim=-1)
    return [shortest(x) for x in (-log_p.gather(1, torch.tensor(tokens[1:]).unsqueeze(1)).squeeze(1)).tolist()]


def write_directory(path, model):
    shutil.rmtree(path, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(path)
    model.float()
    (path / "generation_config.json").unlink(missing_ok=True)


def interleaved(weight, heads):
    """llama.cpp's converter permutes q and k of a Llama for the interleaved form of rope."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def write_gguf(path, name, config, tensors):
    arch = {"llama3": "llama"}.get(name, name)
    out = gguf.GGUFWriter(path, arch)
    out.add_block_count(config.num_hidden_layers)
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_head_count(config.num_attention_heads)
    out.add_head_count_kv(config.num_key_value_heads)
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    out.add_vocab_size(config.vocab_size)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    out.add_key_length(head_dim)
    out.add_value_length(head_dim)
    rope = config.rope_parameters
    out.add_feed_forward_length(config.intermediate_size_mlp if name == "llama4" else config.intermediate_size)
    if name == "gemma3":
        out.add_rope_freq_base(rope["full_attention"]["rope_theta"])
        out.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        out.add_rope_scaling_factor(rope["full_attention"]["factor"])
        out.add_sliding_window(config.sliding_window)
        out.add_array("gemma3.attention.sliding_window_pattern", [t == "sliding_attention" for t in config.layer_types])
    else:
        out.add_rope_freq_base(rope["rope_theta"])
    if name == "gemma2":
        out.add_sliding_window(config.sliding_window)
        out.add_attn_logit_softcapping(config.attn_logit_softcapping)
        out.add_final_logit_softcapping(config.final_logit_softcapping)
        out.add_float32("gemma2.attention.scale", config.query_pre_attn_scalar**-0.5)
    if name == "llama4":
        out.add_expert_count(config.num_local_experts)
        out.add_expert_used_count(config.num_experts_per_tok)
        out.add_expert_feed_forward_length(config.intermediate_size)
        out.add_interleave_moe_layer_step(config.interleave_moe_layer_step)
    names = gguf.get_tensor_name_map(arch_of(arch), config.num_hidden_layers)
    for tensor, weight in tensors.items():
        if tensor == "lm_head.weight" and config.tie_word_embeddings:
            continue
        for target, data in converted(name, config, tensor, weight):
            gguf_name = names.get_name(target, try_suffixes=(".weight", ".bias"))
            assert gguf_name, target
            add(out, gguf_name, data)
    if rope.get("rope_type") == "llama3":
        add(out, "rope_freqs.weight", llama3_divisors(rope, head_dim))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def arch_of(name):
    return next(arch for arch, text in gguf.MODEL_ARCH_NAMES.items() if text == name)


def converted(name, config, tensor, weight):
    """Tensors as the converter writes them: Gemma's norms as 1 + w, experts apart and one output a row."""
    if "gemma" in name and "norm" in tensor:
        weight = weight + 1
    if name == "llama3" and ("q_proj" in tensor or "k_proj" in tensor):
        heads = config.num_attention_heads if "q_proj" in tensor else config.num_key_value_heads
        weight = interleaved(weight, heads)
    if "experts.gate_up_proj" in tensor:
        gate, up = weight.transpose(-1, -2).chunk(2, dim=-2)
        yield tensor.replace("gate_up_proj", "gate_proj") + ".weight", gate.contiguous()
        yield tensor.replace("gate_up_proj", "up_proj") + ".weight", up.contiguous()
    elif "experts.down_proj" in tensor:
        yield tensor + ".weight", weight.transpose(-1, -2).contiguous()
    else:
        yield tensor, weight


def llama3_divisors(rope, head_dim):
    """What the converter writes as rope_freqs.weight."""
    base, factor = rope["rope_theta"], rope["factor"]
    original = rope["original_max_position_embeddings"]
    low, high = original / rope["low_freq_factor"], original / rope["high_freq_factor"]
    divisors = []
    for i in range(0, head_dim, 2):
        wavelength = 2 * torch.pi * base ** (i / head_dim)
        smooth = (original / wavelength - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"])
        if wavelength < high:
            divisors.append(1.0)
        elif wavelength > low:
            divisors.append(factor)
        else:
            divisors.append(1 / ((1 - smooth) / factor + smooth))
    return torch.tensor(divisors)


def add(out, name, weight):
    if weight.dim() == 1:
        out.add_tensor(name, weight.float().numpy())
    else:
        bits = weight.to(torch.bfloat16).contiguous().view(torch.uint8).numpy()
        out.add_tensor(name, bits, raw_dtype=gguf.GGMLQuantizationType.BF16)


# Families that llama.cpp has, but for what its files do not say: Mistral's window, and Qwen 2's with yarn.
GGUF_FAMILIES = ["llama3", "qwen3", "gemma2", "gemma3", "llama4"]


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=here / "families")
    options = parser.parse_args()
    torch.set_num_threads(2)
    options.out.mkdir(exist_ok=True)
    torch.manual_seed(SEED)
    tokens = torch.randint(0, SHAPE["vocab_size"], (TOKENS,)).tolist()
    reference = {"tokens": tokens, "nll": {}}
    for name, model_class, config in configurations():
        model = random_model(model_class, config)
        values = nll(model, tokens)
        reference["nll"][name] = values
        write_directory(options.out / name, model)
        if name in GGUF_FAMILIES:
            write_gguf(options.out / f"{name}.gguf", name, config, dict(model.state_dict()))
        if name == "llama4":
            # What llama.cpp takes for granted, because its files do not say it.
            config.attention_chunk_size, config.floor_scale, config.attn_scale = 8192, 8192, 0.1
            other = model_class(config).eval()
            other.load_state_dict(model.state_dict())
            reference["nll"]["llama4.gguf"] = nll(other, tokens)
        size = (options.out / name / "model.safetensors").stat().st_size
        print(f"{name}: mean nll {sum(values) / len(values):.4f}, {size} bytes")
    (options.out / "reference.json").write_text(json.dumps(reference, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
