"""tierd for Transformers: a cache and an attention whose KV reaches beyond device memory.

    import tierd
    tierd.generate(model, **tokenizer(prompt, return_tensors="pt"), max_new_tokens=100)

docs/transformers.md of the project says more. Importing this registers the attention and the mask "tierd" with Transformers.
"""

from .blocks import BlockChain, Layout
from .cache import TieredCache
from .errors import BlocksLost, Incompatible, Refused, Stalled, TierdError, Unavailable, Unsupported, Violated
from .fingerprint import fingerprint
from .generation import enable, generate, prefill
from .sequence import Limits, Plan, Sequence
from .wire.session import Session

__all__ = [
    "BlockChain", "BlocksLost", "Incompatible", "Layout", "Limits", "Plan", "Refused", "Sequence", "Session",
    "Stalled", "TierdError", "TieredCache", "Unavailable", "Unsupported", "Violated", "enable", "fingerprint",
    "generate", "prefill",
]
