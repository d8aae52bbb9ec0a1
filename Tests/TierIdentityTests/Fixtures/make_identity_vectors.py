"""Makes identity.json: block ids and model fingerprints computed with Python's hashlib, from the rules in
docs/protocol.md. usage: make_identity_vectors.py (writes beside itself)"""

import hashlib
import json
import os
from struct import pack


def block_ids(fingerprint, element, block_tokens, kv_heads, head_dim, tokens):
    parent, ids = bytes(32), []
    for start in range(0, len(tokens) - block_tokens + 1, block_tokens):
        block = tokens[start : start + block_tokens]
        parent = hashlib.sha256(
            b"tierd block v1\0"
            + fingerprint
            + pack("<BIII", element, block_tokens, kv_heads, head_dim)
            + parent
            + pack(f"<{block_tokens}I", *block)
        ).digest()
        ids.append(parent.hex())
    return ids


def text(value):
    return pack("<I", len(value.encode())) + value.encode()


def fingerprint(configuration, tensors):
    data = b"tierd model v1\0" + text(configuration) + pack("<I", len(tensors))
    for name, storage, shape, content in sorted(tensors, key=lambda tensor: tensor[0].encode()):
        data += text(name) + text(storage) + pack(f"<I{len(shape)}Q", len(shape), *shape)
        data += hashlib.sha256(content).digest()
    return hashlib.sha256(data).hexdigest()


def main():
    blocks = []
    for element, block_tokens, kv_heads, head_dim, count in [
        (1, 256, 3, 64, 600),
        (0, 16, 8, 128, 64),
        (2, 1, 1, 2, 3),
        (255, 4, 2, 8, 3),
    ]:
        model = hashlib.sha256(f"model {head_dim}".encode()).digest()
        # Ids over the whole range of 32 bits, the last token of the last block included.
        tokens = [(i * 2654435761 + 12345) % 2**32 for i in range(count)]
        blocks.append(
            {
                "fingerprint": model.hex(),
                "element": element,
                "blockTokens": block_tokens,
                "kvHeads": kv_heads,
                "headDim": head_dim,
                "tokenCount": count,
                "ids": block_ids(model, element, block_tokens, kv_heads, head_dim, tokens),
            }
        )
    tensors = [
        ["b.weight", "Q4_1", [2, 32], bytes(range(40))],
        ["a.weight", "F32", [3], bytes(range(12))],
        ["é", "BF16 interleaved:64", [], b""],
    ]
    models = [
        {"configuration": "", "tensors": [], "fingerprint": fingerprint("", [])},
        {
            "configuration": "layers=2\nname=né\n",
            "tensors": [
                {"name": name, "storage": storage, "shape": shape, "content": list(content)}
                for name, storage, shape, content in tensors
            ],
            "fingerprint": fingerprint("layers=2\nname=né\n", tensors),
        },
    ]
    output = os.path.join(os.path.dirname(os.path.abspath(__file__)), "identity.json")
    with open(output, "w", encoding="utf-8") as file:
        json.dump({"blocks": blocks, "models": models}, file, indent=1)
        file.write("\n")


main()
