"""A prompt whose KV is larger than the device budget, on CUDA: in tierd, beside Transformers' own offloading.

    python Sources/python/examples/beyond_gpu_memory.py --socket SOCKET [--tokens 65536] [--chunk 4096] [--layers 16]

The model has random weights, of the shape of Llama 3.2 1B: nothing is downloaded. Prints one line of JSON for each way:
seconds, tokens/s of the prompt, peak device memory beyond the weights, and how far the logits of the last position are apart.
Without CUDA it runs on the CPU (use --layers 2 --tokens 4096).
"""

import argparse
import json
import time

import torch
import transformers

import tierd


def make_model(layers, length, device):
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=32000, hidden_size=2048, intermediate_size=8192, num_hidden_layers=layers, num_attention_heads=32,
        num_key_value_heads=8, head_dim=64, max_position_embeddings=length + 64, rope_parameters={
            "rope_type": "default", "rope_theta": 500000.0
        }, eos_token_id=None, pad_token_id=0,
    )
    with torch.device(device):
        return transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()


def measure(device, run):
    """(what `run` answers, seconds, peak bytes beyond what was allocated before)."""
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    began = time.perf_counter()
    answer = run()
    if device == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    return answer, seconds, torch.cuda.max_memory_allocated() - before if device == "cuda" else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--socket")
    parser.add_argument("--tokens", type=int, default=65536)
    parser.add_argument("--chunk", type=int, default=4096)
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--new", type=int, default=8)
    options = parser.parse_args()

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = make_model(options.layers, options.tokens, device)
    ids = torch.randint(1, 32000, (1, options.tokens), generator=torch.Generator().manual_seed(1)).to(device)
    more = dict(max_new_tokens=options.new, do_sample=False, output_logits=True, return_dict_in_generate=True)
    mask = torch.ones_like(ids)
    tierd.fingerprint(model)
    size = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    with tierd.Session(options.socket) as session:
        budget = session.statistics().device.budget_bytes
    kv = options.tokens * options.layers * 2 * 8 * 64 * 2
    print(json.dumps({"device": size, "kv_bytes": kv, "device_budget_bytes": budget, "torch": torch.__version__,
                      "transformers": transformers.__version__}), flush=True)

    ways = {
        "tierd": lambda: tierd.generate(
            model, ids, mask, socket=options.socket, prefill_chunk_size=options.chunk, **more
        ),
        "offloaded": lambda: model.generate(ids, attention_mask=mask, cache_implementation="offloaded", **more),
        "default": lambda: model.generate(ids, attention_mask=mask, **more),
    }
    if device != "cuda":
        del ways["offloaded"]
    reference = None
    for name, run in ways.items():
        if name != "tierd":
            model.set_attn_implementation("sdpa")
        try:
            answer, seconds, peak = measure(device, run)
        except torch.OutOfMemoryError as error:
            print(json.dumps({"way": name, "error": str(error).splitlines()[0]}), flush=True)
            continue
        logits = answer.logits[0][0].float().cpu()
        reference = logits if reference is None else reference
        print(json.dumps({
            "way": name, "seconds": round(seconds, 3), "tokens_per_s": round(options.tokens / seconds), "peak_bytes": peak,
            "logits_apart": (logits - reference).abs().max().item(), "logits_spread": logits.std().item(),
            "tokens": answer.sequences[0, -options.new:].tolist(),
        }), flush=True)


if __name__ == "__main__":
    try:
        main()
    except tierd.TierdError as error:
        raise SystemExit(f"beyond_gpu_memory.py: {error}")
