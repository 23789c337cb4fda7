"""Training the model of `prefilter: scored`."""

from pathlib import Path

import pytest

from analysis.asks import AskModel
from errors import GleanerError
from evaluation.asks_training import RECALL, own_lines, read_labelled, train
from tests.support.service import ROOT, output_of

LABELLED = ROOT.parent / "shared" / "data" / "email-intent-train.tsv"


def _file(folder: Path, *lines: str) -> Path:
    path = folder / "labelled.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


async def test_a_command_makes_the_weights(tmp_path: Path) -> None:
    asks = ["Yes\tcould you send me the file?", "Yes\tplease call me today"] * 10
    other = ["No\tthe file was nice", "No\tit rained yesterday"] * 10
    weights = tmp_path / "weights.bin"
    text = await output_of(["train-prefilter", str(_file(tmp_path, *asks, *other)), "--output", str(weights)])
    assert "40 sentences, each judged by a model that hadn't seen it: 100.0% of the asks stay, 50.0% of all" in text
    model = AskModel.from_bytes(weights.read_bytes())
    assert model.may_ask(["could you send me the file?", "the file was nice"]) == [True, False]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["Yes\ta", "Maybe\tb"], "bad_label"),
        (["a sentence"], "bad_label"),
        (["Yes\ta"] * 20, "one_label"),
        ([""], "bad_label"),
    ],
)
def test_bad_sentences_are_refused(tmp_path: Path, lines: list[str], code: str) -> None:
    with pytest.raises(GleanerError) as refused:
        train(read_labelled(_file(tmp_path, *lines)))
    assert refused.value.code == code


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"Yes\t\xff")
    with pytest.raises(GleanerError) as refused:
        read_labelled(path)
    assert refused.value.code == "unreadable"


@pytest.mark.skipif(not LABELLED.exists(), reason="needs the sentences in ../shared/data")
def test_asks_that_were_not_seen_stay_and_the_shipped_weights_are_these() -> None:
    trained = train(read_labelled(LABELLED), own_lines())
    assert trained.recall >= RECALL
    assert trained.dropped >= 0.35
    assert trained.others_dropped >= 0.62
    shipped = (ROOT / "analysis" / "asks.bin").read_bytes()
    assert shipped == trained.model.to_bytes()
    assert len(shipped) < 1_000_000
