"""Makes tokenizer-*.json: what Hugging Face's tokenizers say of SmolLM2's vocabulary under each pre-tokenizer.

usage: make_tokenizer_fixture.py MODEL.gguf   (needs transformers and gguf; writes beside itself)

Transformers' reading of a GGUF file leaves the pre-tokenizer at ByteLevel, so SmolLM2's own (every digit alone, then
ByteLevel; the file calls it "smollm") is put in here, as its tokenizer.json has it.
"""

import json
import os
import random
import struct
import sys

from tokenizers import Regex
from tokenizers.normalizers import NFC
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence, Split
from transformers import AutoTokenizer

CASELESS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
UPPER, LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
CASED = (
    rf"[^\r\n\p{{L}}\p{{N}}]?[{UPPER}]*[{LOWER}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    rf"[^\r\n\p{{L}}\p{{N}}]?[{UPPER}]+[{LOWER}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PRE_TOKENIZERS = {
    "gpt-2": ByteLevel(add_prefix_space=False),
    "smollm": Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]),
    "llama-bpe": Sequence(
        [Split(Regex(CASELESS % "{1,3}"), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)]
    ),
    "qwen2": Sequence([Split(Regex(CASELESS % ""), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)]),
    "llama4": Sequence([Split(Regex(CASED), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)]),
}
STRINGS = [
    "",
    " ",
    "  ",
    "\n",
    "Hello world",
    " Hello  world   again    ",
    "It's we'll they've I'm you're he'd can't",
    "IT'S WE'LL THEY'VE I'M YOU'RE HE'D CAN'T 'Sx 'lL 'rE '\u017f 'l 'r 'v",
    "''s 'x '  't 'tis",
    "0 1 12 123 1234 12345 3.14159 1,000,000 2024-11-23T09:18:00Z v1.2.3 x86_64 100%",
    "  1. one\n  2. two\n\t3.\tthree",
    "a1b2c3 ١٢٣ Ⅷ ½ ² ①②③ 一二三 1½",
    "naïve café — “quoted” … ‘single’ résumé Ångström ﬁ ß İstanbul",
    "e\u0301 vs \u00e9, \u1100\u1161 vs \uac00, A\u030a vs \u00c5 vs \u212b",
    "日本語のテキスト、中文文本。한국어 텍스트",
    "Привет, мир! Γειά σου Κόσμε שלום עולם مرحبا بالعالم नमस्ते दुनिया สวัสดีชาวโลก",
    "👍🏽 👨‍👩‍👧‍👦 🇩🇪 ☃️ 🤷🏿‍♀️ emoji😀text",
    "tab\there\r\nwindows\r\n\r\nlines\n\n\n  indented\n\n\t\tdeep  \n trailing   \n",
    "nbsp\u00a0here\u3000ideographic\u2003em\u200bzero\u2028line\u2029para\u0085nel\ufeffbom\u180emvs",
    "control \u0000\u0001\u0004\u0006\u0013\u0014\u0016\u001b\u001c\u001d\u001e\u001f\u007f end",
    "def f(x):\n    return {k: v**2 for k, v in x.items() if v != 0}  # comment\n",
    "<|im_start|>user\nHi there<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|><|im_end|><|endoftext|> <repo_name>x<reponame>y <|im_start <|im_end|",
    "a<|im_end|> b <|im_end|>\n<|im_end|>  1",
    "https://example.org/a_b?c=d&e=%20#frag <a href=\"x\">y</a> $$$ ### !!! ???\n!!!\n\n???\r\n",
    "\U000105C0 \U0001F980 \U00020000 \U000E0041 \U0010FFFF \uE000",
    "camelCase HTTPServer XMLHttpRequest iPhone McDonald ǅungla ǅ ǅA ʰʰA aʰB e\u0301E\u0301 \u0301x \u0301",
    "don'T DON't dOn'LL 日本語'S ٱلْعَرَبِيَّة //\n/\r\n/ a/b\n/ 'S's",
    "a" * 300 + " " * 300 + "ab" * 150 + "=" * 200,
]


def random_strings(count):
    generator = random.Random(1)
    alphabet = list("aZ sS'tlLrReEvV  \n\r\t019.,-_<|>é中😀\u00a0\u0301½\u017f")
    return ["".join(generator.choice(alphabet) for _ in range(generator.randrange(1, 40))) for _ in range(count)]


def digest(ids):
    """FNV-1a of 64 bits over the ids as 32-bit little-endian numbers."""
    value = 0xCBF29CE484222325
    for byte in struct.pack(f"<{len(ids)}I", *ids):
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def ids_of(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False).ids


def write(name, content):
    output = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"tokenizer-{name}.json")
    with open(output, "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")
    print(output, os.path.getsize(output), content.get("longCount", ""))


def main(path):
    directory, name = os.path.split(os.path.abspath(path))
    auto = AutoTokenizer.from_pretrained(directory, gguf_file=name)
    backend = auto.backend_tokenizer
    with open("/usr/share/common-licenses/GPL-3", encoding="utf-8", newline="") as file:
        long_text = file.read()
    strings = STRINGS + random_strings(60)
    texts = {"strings": strings}
    smollm_ids = []
    for kind, pre_tokenizer in PRE_TOKENIZERS.items():
        backend.pre_tokenizer = pre_tokenizer
        backend.normalizer = None
        long_ids = ids_of(backend, long_text)
        ids = [ids_of(backend, text) for text in strings]
        if kind == "smollm":
            smollm_ids = ids
        write(
            kind,
            {"ids": ids, "longCount": len(long_ids), "longFirst": long_ids[:50], "longFNV1a": digest(long_ids)},
        )
    backend.pre_tokenizer = PRE_TOKENIZERS["smollm"]
    backend.normalizer = NFC()
    texts["nfcIDs"] = [ids_of(backend, text) for text in STRINGS]
    backend.normalizer = None
    texts["decoded"] = [backend.decode(ids, skip_special_tokens=True) for ids in smollm_ids]
    generator = random.Random(2)
    noise = [[generator.randrange(17, 49152) for _ in range(60)] for _ in range(20)]
    noise += [[i for i in range(17, 600) if generator.random() < 0.2] for _ in range(4)]
    texts["noise"] = [{"ids": ids, "text": backend.decode(ids, skip_special_tokens=False)} for ids in noise]
    conversations = [
        [["user", "What is 12 + 30?"]],
        [["system", "Be brief."], ["user", "Hi"], ["assistant", "Hello!"], ["user", "  Bye\n"]],
        [["user", ""]],
    ]
    texts["conversations"] = []
    for turns in conversations:
        messages = [{"role": role, "content": content} for role, content in turns]
        text = auto.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        texts["conversations"].append({"turns": turns, "ids": ids_of(backend, text)})
    write("texts", texts)


if __name__ == "__main__":
    main(sys.argv[1])
