"""Figures for Prometheus."""

from collections.abc import Iterator

from fastapi import APIRouter, Response
from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from api.auth import Reader
from api.dependencies import Api
from db import measures
from db.measures import Measures
from models.base import now
from workflows.contract import MODEL_QUEUE, QUEUE

router = APIRouter(tags=["service"])


class _Figures(Collector):
    """One reading of the database as metrics."""

    def __init__(self, read: Measures) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        read = self._read
        yield _labelled("gleaner_runs", "Runs by their state.", "status", read.runs)
        yield _labelled("gleaner_batches", "Batches of runs at work by their state.", "status", read.batches)
        yield GaugeMetricFamily("gleaner_proposals_pending", "Undecided proposals.", value=read.proposals_pending)
        yield _counted("gleaner_model_calls", "Attempts at batches by their outcome.", "outcome", read.calls)
        tokens = {"input": read.input_tokens, "output": read.output_tokens}
        yield _counted("gleaner_tokens", "Tokens used.", "direction", tokens)
        yield CounterMetricFamily(
            "gleaner_cost_usd", "US dollars spent, of models with a price.", value=float(read.cost)
        )
        yield _labelled("gleaner_sweep_findings", "Disagreements not mended.", "kind", read.findings)
        ages = {queue: (now() - seen).total_seconds() for queue, seen in read.queue_seen_at.items()}
        yield _labelled(
            "gleaner_worker_seen_seconds",
            "Seconds since a worker of the queue said that it lives; infinite where none did.",
            "queue",
            {queue: ages.get(queue, float("inf")) for queue in (QUEUE, MODEL_QUEUE)},
        )


def _labelled(name: str, about: str, label: str, values: dict[str, int] | dict[str, float]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def _counted(name: str, about: str, label: str, values: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, about, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


@router.get("/metrics", response_class=Response)
async def metrics(_: Reader, resources: Api) -> Response:
    """Figures of the service and of this process in Prometheus' text format."""
    async with resources.database.transaction() as session:
        read = await measures.read(session)
    registry = CollectorRegistry()
    registry.register(_Figures(read))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
