"""Where the tests' servers keep their files."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_MEMORY = Path("/dev/shm")
_ENOUGH_BYTES = 4 * 1024**3


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that is gone at the end, in memory where there is enough.

    Each test makes a database of 500 files and drops it. ext4 keeps inodes that were deleted within a minute from being
    used again, and looks at each of them for every new file: most of what the tests took was that.
    """
    roomy = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH_BYTES
    with TemporaryDirectory(prefix="gleaner-tests-", dir=_MEMORY if roomy else None) as folder:
        yield Path(folder)
