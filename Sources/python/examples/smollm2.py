"""SmolLM2 reads a long text with its KV cache on three tiers, then answers a second question on the warm cache.

    python Sources/python/examples/smollm2.py [--model FILE.gguf] [--text FILE] [--socket SOCKET] [--chunk auto|N]

With a `tierd` that runs, for instance
    tierd --device emulated --device-budget 48MiB --host-budget 48MiB --disk-budget 2GiB
"""

import argparse
import os
import time

import torch
import transformers

import tierd

MODEL = ".build/models/SmolLM2-135M-Instruct.Q4_1.gguf"
TEXT = "/usr/share/common-licenses/GPL-3"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=MODEL, help="a .gguf file (make model fetches it)")
    parser.add_argument("--text", default=TEXT)
    parser.add_argument("--socket", help="the daemon's worker socket")
    parser.add_argument("--chunk", default="auto")
    options = parser.parse_args()

    place, name = os.path.split(os.path.abspath(options.model))
    tokenizer = transformers.AutoTokenizer.from_pretrained(place, gguf_file=name)
    model = transformers.AutoModelForCausalLM.from_pretrained(place, gguf_file=name, dtype=torch.float32).eval()
    with open(options.text) as file:
        text = file.read()[:30000]

    with tierd.Session(options.socket) as session:
        for question in ("What is this text?", "What does it say about patents?"):
            prompt = tokenizer.apply_chat_template(
                [{"role": "user", "content": f"{text}\n\n{question}"}], add_generation_prompt=True, return_tensors="pt",
                return_dict=True,
            )
            began = time.perf_counter()
            before = session.statistics()
            # The only line that is not plain Transformers.
            answer = tierd.generate(
                model, prompt["input_ids"], socket=options.socket, max_new_tokens=40, do_sample=False,
                prefill_chunk_size=options.chunk if options.chunk == "auto" else int(options.chunk),
            )
            seconds, after = time.perf_counter() - began, session.statistics()
            count = prompt["input_ids"].shape[1]
            print(f"\n{question}  ({count} tokens in {seconds:.1f} s)")
            print(tokenizer.decode(answer[0, count:], skip_special_tokens=True))
            print(
                f"    blocks to disk {after.host_to_disk.blocks - before.host_to_disk.blocks}, "
                f"from disk {after.disk_to_host.blocks - before.disk_to_host.blocks}, "
                f"on the device at most {after.device.peak_bytes / (1 << 20):.0f} MiB"
            )


if __name__ == "__main__":
    try:
        main()
    except tierd.TierdError as error:
        raise SystemExit(f"smollm2.py: {error}")
