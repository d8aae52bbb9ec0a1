"""Transformers with everything in memory and with its KV in tierd, for tier-bench.

    transformers_tiered.py speed MODEL.gguf TOKENS.json THREADS
    transformers_tiered.py memory MODEL.gguf TOKENS.json THREADS default|tiered TOKENS SOCKET [LAYERS]
    transformers_tiered.py graphs TOKENS.json CHUNK SOCKET TOKENS…

`speed` loads the model once. Then each line of standard input, `default` or `tiered SOCKET CHUNK`, is one prefill in bf16,
answered by one line of JSON: {"seconds": x}. It ends when its input does.

`memory` is one prefill in a process of its own: {"bytes": peak resident memory beyond that before the prefill}, the arenas it
maps included; with the first so many layers alone, where that is said.

`graphs` compiles a tiny random model and says how many graphs there were after each of these lengths: {"graphs": [n, …]}.

Standard output is for these answers alone.
"""

import ctypes
import gc
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))

CHUNK = 1024
LONGEST = 65536


def answer(**fields):
    ANSWERS.write(json.dumps(fields) + "\n")
    ANSWERS.flush()


def load(path, threads):
    import torch
    import transformers

    torch.set_num_threads(int(threads))
    model = transformers.AutoModelForCausalLM.from_pretrained(
        os.path.dirname(os.path.abspath(path)), gguf_file=os.path.basename(path), dtype=torch.float32,
        attn_implementation="sdpa",
    )
    # The table of rotary angles ends nowhere: positions beyond the trained ones are as good to measure with.
    model.config.max_position_embeddings = LONGEST
    return model.to(torch.bfloat16).eval()


def read_tokens(path, count):
    """The text's tokens, as often as it takes: each block's id covers all before it, so no two are equal."""
    with open(path) as file:
        tokens = json.load(file)
    return (tokens * (count // len(tokens) + 1))[:count]


def default_prefill(model, tokens):
    import torch

    model.set_attn_implementation("sdpa")
    with torch.inference_mode():
        model(input_ids=torch.tensor([tokens]), use_cache=True, logits_to_keep=1)


def tiered_prefill(model, tokens, socket, chunk):
    """All but the last token, as tierd.generate reads them. Opening the sequence is in it; loading is not."""
    import tierd

    tierd.enable(model)
    with tierd.TieredCache(model.config, model, socket=socket, chunk_tokens=chunk, max_length=len(tokens)) as cache:
        tierd.generation.describe(model, cache)
        tierd.prefill(model, cache, [tokens], len(tokens), chunk)
        assert cache.get_seq_length() == len(tokens) - 1 and cache.repaired_tokens == 0


def speed(path, tokens_path, threads):
    import torch
    import transformers

    model = load(path, threads)
    with open(tokens_path) as file:
        tokens = json.load(file)
    answer(versions=f"Transformers {transformers.__version__}, torch {torch.__version__}")
    for line in sys.stdin:
        kind, *rest = line.split()
        began = time.perf_counter()
        if kind == "default":
            default_prefill(model, tokens)
        else:
            tiered_prefill(model, tokens, rest[0], int(rest[1]))
        answer(seconds=time.perf_counter() - began)


def resident_bytes(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field + ":"))


def memory(path, tokens_path, threads, kind, count, socket, layers=None):
    import tierd

    model = load(path, threads)
    if layers is not None:
        del model.model.layers[int(layers) :]
        model.config.num_hidden_layers = int(layers)
    tokens = read_tokens(tokens_path, int(count))
    tierd.fingerprint(model)
    # What loading left behind is not to hide what the prefill takes.
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = resident_bytes("VmRSS")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    if kind == "default":
        default_prefill(model, tokens)
    else:
        tiered_prefill(model, tokens, socket, CHUNK)
    answer(bytes=resident_bytes("VmHWM") - before)


def graphs(tokens_path, chunk, socket, *lengths):
    import torch
    import transformers
    from torch._dynamo.utils import counters

    import tierd

    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=65536, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=LONGEST,
    )
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    tierd.enable(model)
    # What is counted is what the compiler is handed; what it makes of it does not change the number.
    model.compile(backend="eager")
    counts = []
    for length in lengths:
        # No prompt begins as another: each is read from its first token.
        tokens = [int(length) % config.vocab_size] + read_tokens(tokens_path, int(length))[1:]
        with tierd.TieredCache(config, model, socket=socket, chunk_tokens=int(chunk), max_length=int(length)) as cache:
            tierd.generation.describe(model, cache)
            tierd.prefill(model, cache, [tokens], len(tokens), int(chunk))
        counts.append(counters["stats"]["unique_graphs"])
    answer(graphs=counts)


if __name__ == "__main__":
    # Libraries may print: not among the answers.
    ANSWERS = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        {"speed": speed, "memory": memory, "graphs": graphs}[sys.argv[1]](*sys.argv[2:])
    except Exception as error:
        answer(error=f"{type(error).__name__}: {error}".splitlines()[0])
        raise
