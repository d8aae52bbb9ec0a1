"""The identity of a model as Transformers has it: equal K and V from equal tokens, or another fingerprint.

SHA-256 over "tierd transformers model v1", the configuration and every parameter and buffer: name, type, shape, bytes. It is
not the fingerprint tier-worker computes of a file: a worker of another implementation rounds differently.
"""

import hashlib
import json
import weakref

import torch

from .models import unwrapped

_DOMAIN = b"tierd transformers model v1\0"
# Configuration that changes no K or V.
_IRRELEVANT = ("_name_or_path", "transformers_version", "_attn_implementation", "_attn_implementation_internal", "use_cache")
_PIECE = 64 << 20
_known = weakref.WeakKeyDictionary()


def fingerprint(model):
    """32 bytes. Reads every weight; remembered for as long as none is replaced or written to."""
    model = unwrapped(model)
    tensors = sorted({**dict(model.named_parameters()), **dict(model.named_buffers())}.items())
    stamp = tuple((name, tensor.data_ptr(), tensor._version, tensor.shape) for name, tensor in tensors)
    known = _known.get(model)
    if known is not None and known[0] == stamp:
        return known[1]
    digest = hashlib.sha256(_DOMAIN)
    _add(digest, _configuration(model.config))
    for name, tensor in tensors:
        _add(digest, f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}".encode())
        content = hashlib.sha256()
        flat = tensor.detach().reshape(-1).view(torch.uint8)
        for start in range(0, len(flat), _PIECE):
            content.update(memoryview(flat[start : start + _PIECE].cpu().numpy()))
        digest.update(content.digest())
    result = digest.digest()
    _known[model] = (stamp, result)
    return result


def _configuration(config):
    fields = {key: value for key, value in config.to_dict().items() if key not in _IRRELEVANT}
    return json.dumps(fields, sort_keys=True, default=str).encode()


def _add(digest, content):
    digest.update(len(content).to_bytes(8, "little"))
    digest.update(content)
