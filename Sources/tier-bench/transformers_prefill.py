"""Times Transformers' prefill of given tokens, for tier-bench.

    transformers_prefill.py MODEL.gguf TOKENS.json THREADS
    transformers_prefill.py --probe      ends normally where torch's products in bf16 work here

Loads the model once. Then each line of standard input, bf16 or f32, is one forward over all tokens, answered by one
line of JSON: {"seconds": x}. Standard output is for these answers alone; it ends when its input does.
"""

import copy
import json
import os
import sys
import time


def answer(**fields):
    ANSWERS.write(json.dumps(fields) + "\n")
    ANSWERS.flush()


def probe():
    """Products of the shapes a prefill has: large enough that oneDNN takes them on."""
    import torch

    with torch.inference_mode():
        rows = torch.ones(512, 576, dtype=torch.bfloat16)
        weights = torch.ones(1536, 576, dtype=torch.bfloat16)
        product = torch.nn.functional.linear(rows, weights)
        heads = product[:, :576].view(1, 512, 9, 64).transpose(1, 2)
        torch.nn.functional.scaled_dot_product_attention(heads, heads, heads, is_causal=True)


def load(path):
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(
        os.path.dirname(os.path.abspath(path)),
        gguf_file=os.path.basename(path),
        dtype=torch.float32,
        attn_implementation="sdpa",
    ).eval()
    return {"f32": model, "bf16": copy.deepcopy(model).to(torch.bfloat16)}


def forward(model, tokens):
    """What a server's prefill does: all KV kept, logits of the last position alone."""
    import torch

    with torch.inference_mode():
        began = time.perf_counter()
        output = model(input_ids=tokens, use_cache=True, logits_to_keep=1)
        seconds = time.perf_counter() - began
    assert output.logits.shape[1] == 1 and output.past_key_values.get_seq_length() == tokens.shape[1]
    return seconds


def main():
    import torch
    import transformers

    path, tokens_path, threads = sys.argv[1:4]
    torch.set_num_threads(int(threads))
    with open(tokens_path) as file:
        tokens = torch.tensor([json.load(file)])
    models = load(path)
    answer(versions=f"Transformers {transformers.__version__}, torch {torch.__version__}")
    for line in sys.stdin:
        answer(seconds=forward(models[line.strip()], tokens))


if __name__ == "__main__":
    # Libraries may print: not among the answers.
    ANSWERS = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if sys.argv[1:] == ["--probe"]:
        probe()
    else:
        try:
            main()
        except Exception as error:
            answer(error=f"{type(error).__name__}: {error}".splitlines()[0])
            raise
