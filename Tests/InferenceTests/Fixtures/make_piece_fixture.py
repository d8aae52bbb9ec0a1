#!/usr/bin/env python3
"""Makes pieces/: tokenizers with SentencePiece's pieces, and what Hugging Face's tokenizers say of them.

    make_piece_fixture.py   (needs transformers and gguf; writes beside itself)

  pieces/NAME/tokenizer.json    one small vocabulary, trained on the GPL, under each family's rules
  pieces/llama.gguf             the same vocabulary with scores, as llama.cpp's converter writes it
  pieces/expected.json          {"strings": [...], "ids": {NAME: [...]}, "decoded": {NAME: [...]},
                                 "chats": [{"style", "template", "turns", "text"}]}

Merges are made from scores by Transformers' own rule, as those of Llama's tokenizer.json were.
"""

import json
import pathlib

import gguf
import jinja2
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.tokenization_utils_base import generate_merges

from make_tokenizer_fixture import STRINGS, random_strings

SPACE = "\u2581"
SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
TURNS = ["<start_of_turn>", "<end_of_turn>"]
RUNS = ["\n\n", "\n\n\n", SPACE * 2, SPACE * 4]


def train():
    trainer = trainers.BpeTrainer(vocab_size=900, show_progress=False, limit_alphabet=200)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always", split=True)
    tokenizer.train(["/usr/share/common-licenses/GPL-3"], trainer)
    merges = [tuple(m) for m in json.loads(tokenizer.to_str())["model"]["merges"]]
    made = [left + right for left, right in merges]
    characters = sorted(set(tokenizer.get_vocab()) - set(made))
    # Most urgent first, characters last: the order of a SentencePiece model.
    pieces = SPECIAL + BYTES + TURNS + RUNS + list(dict.fromkeys(made)) + characters
    return {piece: i for i, piece in enumerate(pieces)}


def tokenizer(vocab, merges, kind):
    result = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    result.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in SPECIAL + TURNS])
    replace = normalizers.Replace(" ", SPACE)
    common = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    if kind == "llama2":
        result.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), replace])
        result.decoder = decoders.Sequence(common + [decoders.Strip(" ", 1, 0)])
    elif kind == "mistral":
        result.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="first", split=False)
        result.decoder = decoders.Sequence(common + [decoders.Strip(" ", 1, 0)])
    else:
        result.add_tokens([AddedToken(t, normalized=False, special=False) for t in RUNS])
        result.normalizer = replace
        result.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        result.decoder = decoders.Sequence(common)
    result.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return result


def write_gguf(path, vocab):
    out = gguf.GGUFWriter(path, "llama")
    out.add_tokenizer_model("llama")
    out.add_tokenizer_pre("default")
    kinds = gguf.TokenType
    tokens, scores, types = [], [], []
    for piece, i in vocab.items():
        tokens.append(piece.encode())
        scores.append(0.0 if piece in SPECIAL + BYTES + TURNS + RUNS else -float(i))
        types.append(
            kinds.UNKNOWN if piece == "<unk>" else kinds.CONTROL if piece in SPECIAL + TURNS
            else kinds.BYTE if piece in BYTES else kinds.USER_DEFINED if piece in RUNS else kinds.NORMAL)
    out.add_token_list(tokens)
    out.add_token_scores(scores)
    out.add_token_types(types)
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_unk_token_id(0)
    out.add_add_space_prefix(False)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


TEMPLATES = {
    "Llama 3": (
        "{{- bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
        " + message['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
        "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
    ),
    "Llama 4": (
        "{{- bos_token }}{% for message in messages %}{{ '<|header_start|>' + message['role'] + '<|header_end|>\n\n'"
        " + message['content'] | trim + '<|eot|>' }}{% endfor %}{% if add_generation_prompt %}"
        "{{ '<|header_start|>assistant<|header_end|>\n\n' }}{% endif %}"
    ),
    "Llama 2": (
        "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = "
        "messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}"
        "{% for message in loop_messages %}{% if loop.index0 == 0 and system_message != false %}{% set content = "
        "'<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] | trim %}{% else %}{% set content = "
        "message['content'] | trim %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content + "
        "' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] | trim + ' ' + eos_token }}"
        "{% endif %}{% endfor %}"
    ),
    "Mistral": (
        "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + "
        "' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}"
    ),
    "Gemma": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set first_user_prefix = messages[0]['content'] + '\n\n' %}"
        "{% set loop_messages = messages[1:] %}{% else %}{% set first_user_prefix = '' %}{% set loop_messages = messages %}"
        "{% endif %}{% for message in loop_messages %}{% set role = 'model' if message['role'] == 'assistant' else "
        "message['role'] %}{{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else '') }}"
        "{{ message['content'] | trim }}{{ '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}"
        "{{ '<start_of_turn>model\n' }}{% endif %}"
    ),
}
CONVERSATIONS = [
    [["user", "What is 12 + 30?"]],
    [["user", "Hi"], ["assistant", "Hello!"], ["user", "  Bye\n"]],
    [["system", "Be brief."], ["user", "Hi  there"]],
]


def chats():
    """What Jinja makes of each family's template: the shipped ones, without tools and dates."""
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    for style, source in TEMPLATES.items():
        for turns in CONVERSATIONS:
            if style == "Mistral" and turns[0][0] == "system":
                continue
            messages = [{"role": role, "content": content} for role, content in turns]
            text = environment.from_string(source).render(
                messages=messages, add_generation_prompt=True, bos_token="<s>", eos_token="</s>")
            yield {"style": style, "template": source, "turns": turns, "text": text}


def main():
    out = pathlib.Path(__file__).resolve().parent / "pieces"
    out.mkdir(exist_ok=True)
    vocab = train()
    plain = SPECIAL + BYTES + TURNS + RUNS
    scores = {piece: -float(i) for piece, i in vocab.items() if piece not in plain}
    merges = generate_merges(vocab, scores, skip_tokens=plain)
    strings = STRINGS + random_strings(60) + ["a\n\nb\n\n\nc", "<s>x</s> y", "  two", SPACE + "x " + SPACE]
    expected = {"strings": strings, "ids": {}, "decoded": {}, "chats": list(chats())}
    for kind in ["llama2", "mistral", "gemma"]:
        made = tokenizer(vocab, merges, kind)
        (out / kind).mkdir(exist_ok=True)
        content = json.loads(made.to_str())
        (out / kind / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")
        expected["ids"][kind] = [made.encode(text, add_special_tokens=False).ids for text in strings]
        expected["decoded"][kind] = [made.decode(ids, skip_special_tokens=True) for ids in expected["ids"][kind]]
    write_gguf(out / "llama.gguf", vocab)
    (out / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")
    for path in sorted(out.rglob("*.*")):
        print(path.relative_to(out), path.stat().st_size)


if __name__ == "__main__":
    main()
