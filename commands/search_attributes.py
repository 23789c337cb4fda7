"""Register the search attributes of runs with a Temporal server."""

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest

from settings import Settings
from temporal_client import connect
from workflows.contract import SEARCH_ATTRIBUTES

_KINDS = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "Int": IndexedValueType.INDEXED_VALUE_TYPE_INT,
}


async def register(settings: Settings) -> list[str]:
    """Add those that the namespace lacks; returns all names. RuntimeError where Temporal does not answer."""
    client = await connect(settings)
    operator = client.operator_service
    listed = await operator.list_search_attributes(ListSearchAttributesRequest(namespace=settings.temporal_namespace))
    missing = {name: _KINDS[kind] for name, kind in SEARCH_ATTRIBUTES.items() if name not in listed.custom_attributes}
    if missing:
        await operator.add_search_attributes(
            AddSearchAttributesRequest(namespace=settings.temporal_namespace, search_attributes=missing)
        )
    return list(SEARCH_ATTRIBUTES)
