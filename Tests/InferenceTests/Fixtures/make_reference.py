#!/usr/bin/env python3
"""Writes the reference values the Inference tests compare with, as Transformers computes them in f32.

    make_reference.py --model SmolLM2-135M-Instruct.Q4_1.gguf [--text /usr/share/common-licenses/GPL-3] [--out .]

  smollm2_gpl3_f32.json   {"tokens": [2048], "nll": [2047], "top5": [[id, logit] x 5 of the last position]}
  tiny_llama/             a random Llama: GQA, head_dim != hidden / heads, llama3 rope scaling, untied head
  tiny_llama_f32.json     the same three lists for it

nll[i] is -log p(tokens[i + 1] | tokens[0...i]). Floats are printed so that they read back to the same f32.
Needs torch, transformers and accelerate; see docs/testing.md for the versions the fixtures were made with.
"""

import argparse
import json
import pathlib

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, LlamaConfig, LlamaForCausalLM

TEXT_TOKENS = 2048
TINY_TOKENS = 200
TINY_SEED = 7


def nll_and_top5(model, tokens):
    """Both in f32, from one forward over all tokens."""
    with torch.no_grad():
        logits = model(torch.tensor([tokens]), use_cache=False).logits[0].float()
    log_p = torch.log_softmax(logits[:-1], dim=-1)
    nll = -log_p.gather(1, torch.tensor(tokens[1:]).unsqueeze(1)).squeeze(1)
    top = torch.topk(logits[-1], 5)
    return [shortest(x) for x in nll.tolist()], [[i, shortest(x)] for i, x in zip(top.indices.tolist(), top.values.tolist())]


def shortest(x):
    """The decimal with the fewest digits that reads back to the same f32."""
    for digits in range(1, 10):
        text = f"{x:.{digits}g}"
        if torch.tensor(float(text), dtype=torch.float32).item() == x:
            return float(text)
    raise ValueError(f"{x!r} is no f32")


def write(path, tokens, model):
    nll, top5 = nll_and_top5(model, tokens)
    path.write_text(json.dumps({"tokens": tokens, "nll": nll, "top5": top5}, separators=(",", ":")) + "\n")
    print(f"{path}: {len(tokens)} tokens, mean nll {sum(nll) / len(nll):.6f}")


def write_text(out, model_path, text_path):
    where = {"pretrained_model_name_or_path": str(model_path.parent), "gguf_file": model_path.name}
    tokens = AutoTokenizer.from_pretrained(**where)(text_path.read_text())["input_ids"][:TEXT_TOKENS]
    model = AutoModelForCausalLM.from_pretrained(
        **where, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    ).eval()
    write(out / "smollm2_gpl3_f32.json", tokens, model)


def write_tokenizer(path, vocab_size):
    """A directory is a model only with a tokenizer: here, one token per printable ASCII character."""
    tokenizer = Tokenizer(models.BPE(vocab={chr(33 + i): i for i in range(vocab_size)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(path))


def write_tiny(out):
    torch.manual_seed(TINY_SEED)
    config = LlamaConfig(
        vocab_size=96, hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=512, rms_norm_eps=1e-5,
        tie_word_embeddings=False, initializer_range=0.25,
        rope_parameters={
            "rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
        },
    )
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("norm.weight"):
                weight.uniform_(0.5, 1.5)
    model.save_pretrained(out / "tiny_llama")
    (out / "tiny_llama" / "generation_config.json").unlink(missing_ok=True)
    write_tokenizer(out / "tiny_llama" / "tokenizer.json", config.vocab_size)
    tokens = torch.randint(0, config.vocab_size, (TINY_TOKENS,)).tolist()
    write(out / "tiny_llama_f32.json", tokens, model)


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, required=True, help="the GGUF file")
    parser.add_argument("--text", type=pathlib.Path, default="/usr/share/common-licenses/GPL-3")
    parser.add_argument("--out", type=pathlib.Path, default=here)
    options = parser.parse_args()
    torch.set_num_threads(2)
    write_tiny(options.out)
    write_text(options.out, options.model, options.text)


if __name__ == "__main__":
    main()
