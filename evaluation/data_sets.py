"""The sets of labelled conversations that a model is judged on."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from errors import GleanerError
from evaluation import found
from evaluation.interleaving import interleaved
from evaluation.talks import START, Talk, talks


class DataSet(StrEnum):
    CASES = "cases"
    KEPT_BACK = "kept_back"
    INTERLEAVED = "interleaved"
    INTERLEAVED_KEPT_BACK = "interleaved_kept_back"
    SAMPLE = "sample"
    MEETINGS = "meetings"
    LETTERS = "letters"

    @property
    def is_own(self) -> bool:
        """Whether it comes with the project."""
        return self not in (DataSet.MEETINGS, DataSet.LETTERS)


def conversations(data_set: DataSet, folder: Path | None) -> Sequence[Talk]:
    """The conversations of a set; `folder` holds those that don't come with the project. GleanerError without it."""
    match data_set:
        case DataSet.INTERLEAVED:
            return list(interleaved(talks("cases"), START))
        case DataSet.INTERLEAVED_KEPT_BACK:
            return list(interleaved(talks("kept_back"), START))
        case DataSet.MEETINGS:
            return list(found.meetings(_folder(data_set, folder, found.MEETING_LOG)))
        case DataSet.LETTERS:
            return list(found.letters(_folder(data_set, folder, found.LETTERS)))
        case _:
            return talks(data_set.value)


def _folder(data_set: DataSet, folder: Path | None, file: str) -> Path:
    if folder is None or not (folder / file).is_file():
        where = "no folder was named" if folder is None else f"{folder} doesn't hold it"
        raise GleanerError("no_data", f"The set {data_set} needs the file {file}, and {where} (--data).")
    return folder
