"""Writes QuantizedFixtures.swift: blocks of every GGUF format that CKernels reads, with the values that the `gguf` package
(pip install gguf) gives for them.

    python3 Fixtures/make_quantized_fixtures.py > QuantizedFixtures.swift
"""

import base64

import gguf
import numpy as np

# format, elements and bytes of a block, byte offsets of its f16 scales, blocks
FORMATS = [
    ("CK_Q4_0", gguf.GGMLQuantizationType.Q4_0, 32, 18, [0], 3),
    ("CK_Q4_1", gguf.GGMLQuantizationType.Q4_1, 32, 20, [0, 2], 3),
    ("CK_Q8_0", gguf.GGMLQuantizationType.Q8_0, 32, 34, [0], 3),
    ("CK_Q4_K", gguf.GGMLQuantizationType.Q4_K, 256, 144, [0, 2], 2),
    ("CK_Q6_K", gguf.GGMLQuantizationType.Q6_K, 256, 210, [208], 2),
]


def literal(data: bytes) -> str:
    text = base64.b64encode(data).decode()
    lines = [text[i : i + 100] for i in range(0, len(text), 100)]
    return '"""\n' + "\\\n".join(f"      {line}" for line in lines) + '\n      """'


def main() -> None:
    rng = np.random.default_rng(7)
    print("// Made by Fixtures/make_quantized_fixtures.py.")
    print("import CKernels\n")
    print("/// Quantised blocks with random bits and a random sign of scale, the last block's scales subnormal, and their values.")
    print("let quantizedFixtures: [QuantizedFixture] = [")
    for name, kind, elements, size, scales, count in FORMATS:
        blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
        for i, block in enumerate(blocks):
            for at in scales:
                value = rng.normal() * (1e-6 if i == count - 1 else 0.05)
                block[at : at + 2] = np.frombuffer(np.float16(value).tobytes(), np.uint8)
        values = gguf.quants.dequantize(blocks, kind).astype("<f4")
        assert values.size == count * elements and np.isfinite(values).all()
        print(f"  QuantizedFixture(\n    format: {name}, elements: {count * elements},")
        print(f"    blocks: {literal(blocks.tobytes())},")
        print(f"    values: {literal(values.tobytes())}),")
    print("]")


main()
