"""What a batch costs the database."""

import pytest
from temporalio.testing import ActivityEnvironment

from activities import asking, places
from activities.extraction import ExtractionActivities
from activities.resources import Resources
from db.engine import Database
from db.vault import Vault
from settings import Settings
from tests.support.counting import counted
from tests.support.model_server import ModelServer
from tests.support.waiting import until
from tests.support.working import Operator, working
from workflows import contract

STATEMENTS = 12
"""Of a batch that is saved alone; those that wait for each other share the last ones."""


@pytest.mark.parametrize(("words", "statements"), [("please fix part number", STATEMENTS), ("nothing", 10)])
async def test_a_batch_takes_few_statements(
    operator: Operator,
    model: ModelServer,
    measuring: Settings,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    statements: int,
) -> None:
    for module, name in ((places, "RENEW_SECONDS"), (asking, "FRESH_SECONDS")):
        monkeypatch.setattr(module, name, 60.0)
    if words == "nothing":
        model.answer = lambda _: {"proposals": []}
    await operator.messages(20, text=words)
    async with working(measuring.model_copy(update={"worker_roles": ["workflow"]})):
        run_id = await operator.started_run(await operator.assignment(model.base_url))
        await until(lambda: operator.batches(run_id))
        async with Database(operator.database.dsn) as database:
            extraction = ExtractionActivities(Resources(database, Vault.from_settings(measuring), measuring))
            with counted(database) as sent:
                for batch_no in (1, 2):
                    sent.clear()  # with the first one comes what the driver asks of a new server
                    ref = contract.BatchRef(run_id=run_id, batch_no=batch_no)
                    extracted = await ActivityEnvironment().run(extraction.extract_proposals, ref)
        assert extracted.settled is not None
        assert extracted.settled.counted
        assert len(sent) <= statements, "\n".join(sent)
    await operator.check_books(run_id)
