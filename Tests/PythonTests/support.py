"""What the tests share: a daemon of their own, and tiny random models of each family."""

import os
import signal
import subprocess
import tempfile
import time

import torch
import transformers

TIERD = os.environ.get("TIERD_BINARY", os.path.join(os.getcwd(), ".build", "release", "tierd"))


class Daemon:
    """A `tierd` in a directory of its own, which goes with it."""

    def __init__(self, device="emulated", device_budget="8MiB", host_budget="16MiB", disk_budget="512MiB", *more):
        self._directory = tempfile.TemporaryDirectory(prefix="tierd-python-")
        self.runtime = os.path.join(self._directory.name, "run")
        self.state = os.path.join(self._directory.name, "state")
        self._arguments = [
            TIERD, "--runtime-dir", self.runtime, "--state-dir", self.state, "--device", device,
            "--host-budget", host_budget, "--disk-budget", disk_budget, *more,
        ]
        if device != "none":
            self._arguments += ["--device-budget", device_budget]
        self._log = open(os.path.join(self._directory.name, "log"), "wb")
        self.process = None
        self.start()

    @property
    def socket(self):
        return os.path.join(self.runtime, "worker.sock")

    @property
    def log(self):
        with open(self._log.name, errors="replace") as file:
            return file.read()

    def start(self):
        self.process = subprocess.Popen(self._arguments, stdout=self._log, stderr=self._log)
        deadline = time.monotonic() + 30
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                log = self.log
                self.close()
                raise RuntimeError("tierd did not start: " + log)
            time.sleep(0.02)

    def _answers(self):
        import tierd

        try:
            tierd.Session(self.socket).close()
            return True
        except tierd.Unavailable:
            return False

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        self._log.close()
        self._directory.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


_SHAPE = dict(
    vocab_size=199, hidden_size=64, intermediate_size=96, num_hidden_layers=4, num_attention_heads=4,
    num_key_value_heads=2, head_dim=64, max_position_embeddings=4096, pad_token_id=0, bos_token_id=1, eos_token_id=None,
)


def tiny_config(family):
    """A few thousand weights; windows and chunks of 32 tokens, so that a short prompt passes many."""
    make = {
        "llama": lambda: transformers.LlamaConfig(**_SHAPE),
        "qwen3": lambda: transformers.Qwen3Config(**_SHAPE),
        "mistral": lambda: transformers.MistralConfig(**_SHAPE, sliding_window=32),
        "gemma2": lambda: transformers.Gemma2Config(
            **_SHAPE, sliding_window=32, query_pre_attn_scalar=64, attn_logit_softcapping=5.0
        ),
        "gemma3": lambda: transformers.Gemma3TextConfig(
            **_SHAPE, sliding_window=32, query_pre_attn_scalar=64,
            layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
        ),
        "gpt_oss": lambda: transformers.GptOssConfig(
            **_SHAPE, sliding_window=32, num_local_experts=4, num_experts_per_tok=2,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        ),
        "llama4": lambda: transformers.Llama4TextConfig(
            **_SHAPE, intermediate_size_mlp=96, num_local_experts=2, attention_chunk_size=32,
            no_rope_layers=[1, 1, 1, 0], attn_temperature_tuning=True, floor_scale=16, attn_scale=0.1,
        ),
    }
    return make[family]()


FAMILIES = ("llama", "qwen3", "mistral", "gemma2", "gemma3", "gpt_oss", "llama4")


def tiny_model(family, seed=0, dtype=torch.float32):
    torch.manual_seed(seed)
    config = tiny_config(family)
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=dtype).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Large enough that a mask one token off shows in the logits.
            if parameter.dim() > 1 or "sinks" in name:
                parameter.normal_(0.0, 0.25)
    return model
