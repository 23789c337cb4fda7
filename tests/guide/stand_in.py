"""An agent at the model's stand-in, made over the API."""

from tests.support.model_server import ModelServer
from tests.support.service import Service


async def stand_in_assignment(service: Service, model: ModelServer) -> str:
    """The id of its assignment; the model has a price."""
    provider = await service.post(
        "/providers",
        {
            "name": "Stand-in",
            "type": "openai",
            "base_url": model.base_url,
            "api_key": "sk-test",
            "input_price_per_mtok": "1",
            "output_price_per_mtok": "2",
        },
        status=201,
    )
    agent = await service.post(
        "/agents",
        {"name": "Stand-in", "provider_id": provider["id"], "model_name": "stand-in", "system_prompt": ""},
        status=201,
    )
    task = await service.post("/task-configs", {"name": "Stand-in"}, status=201)
    assignment = await service.post(f"/agents/{agent['id']}/tasks", {"task_id": task["id"]}, status=201)
    return str(assignment["id"])
