"""`gleaner train-prefilter`: the small model of `prefilter: scored`, made anew from labelled sentences."""

import time
from pathlib import Path
from typing import Annotated

import typer

from commands import console
from errors import GleanerError
from evaluation.asks_training import own_lines, read_labelled, train

SHIPPED = Path(__file__).parents[1] / "analysis" / "asks.bin"


def train_prefilter(
    sentences: Annotated[Path, typer.Argument(help="A line each: Yes or No, a tab, a sentence.", exists=True)],
    output: Annotated[Path, typer.Option(help="Where the weights go.")] = SHIPPED,
) -> None:
    """Train the model that tells asks from other talk, and say how it does on sentences it hasn't seen."""
    begin = time.monotonic()
    try:
        trained = train(read_labelled(sentences), own_lines())
    except GleanerError as error:
        console.misused(error.detail)
    output.write_bytes(trained.model.to_bytes())
    console.say(
        f"{trained.sentences} sentences, each judged by a model that hadn't seen it: {trained.recall:.1%} of the asks"
        f" stay, {trained.dropped:.1%} of all and {trained.others_dropped:.1%} of the others are dropped."
    )
    console.tell(f"{output}, {output.stat().st_size:,} bytes, after {time.monotonic() - begin:.1f} s")
