"""The first request of a question, as pydantic-ai's agent makes it, made without the agent."""

from dataclasses import dataclass, replace
from functools import lru_cache

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters

from llm.form import Form
from models.values import OutputMode


@dataclass
class FirstRequest:
    """What the agent made of the first question of its kind, without that question's words.

    To have the agent ask takes a quarter of what a worker does for a batch, and is needed only where an answer doesn't
    fit: then the agent goes on from it, and asks again in the provider's own manner.
    """

    form: Form
    mode: OutputMode
    request: ModelRequest | None = None
    parameters: ModelRequestParameters | None = None

    def learn(self, user: str, system: str, messages: list[ModelMessage], parameters: ModelRequestParameters) -> None:
        """Keep what the agent made, where it holds nothing but these words, each in one place."""
        if self.request is not None:
            return
        match messages, parameters.instruction_parts:
            case (
                [ModelRequest(parts=[UserPromptPart(content=asked)], instructions=told) as request],
                [instruction],
            ) if (asked, told, instruction.content) == (user, system, system):
                self.request = replace(request, parts=[], instructions=None)
                self.parameters = replace(parameters, instruction_parts=[replace(instruction, content="")])

    def of(self, user: str, system: str) -> tuple[list[ModelMessage], ModelRequestParameters] | None:
        """What the agent would make of these words; None where nothing was kept yet."""
        if self.request is None or self.parameters is None or self.parameters.instruction_parts is None:
            return None
        [instruction] = self.parameters.instruction_parts
        request = replace(self.request, parts=[UserPromptPart(user)], instructions=system)
        instructions = [replace(instruction, content=system)]
        return [request], replace(self.parameters, instruction_parts=instructions)

    def answered_by(self, response: ModelResponse) -> bool:
        """Whether an answer came the way it was asked for, which is all that the agent looks at besides its words."""
        if response.state != "complete" or response.finish_reason not in (None, "stop", "tool_call"):
            return False
        match [part for part in response.parts if not isinstance(part, ThinkingPart)]:
            case [ToolCallPart(tool_name=name)]:
                return self.mode == "tool" and name == self.form.name
            case [TextPart()]:
                return self.mode != "tool"
        return False


@lru_cache(maxsize=256)
def first_request(form: Form, mode: OutputMode, model: type[Model], model_name: str) -> FirstRequest:
    """That of all questions of this kind in this process."""
    return FirstRequest(form, mode)
