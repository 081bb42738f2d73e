"""Answers as they are read: by the models that the service writes them with."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from app.answers import Answer, CheckAnswer, GradientAnswer, SimulationAnswer
from app.problems import ProblemDetails
from app.remote.errors import ServerProblem
from app.remote.exchange import Reply

Model = TypeVar("Model", bound=BaseModel)

# The first that fits: what a check answers is a gradient's answer, too, and more.
AnyAnswer = Annotated[
    Answer | CheckAnswer | GradientAnswer | SimulationAnswer, Field(union_mode="left_to_right")
]


class Item(BaseModel):
    """One of an ensemble: its answer, or its problem."""

    index: int
    answer: AnyAnswer | None = None
    problem: ProblemDetails | None = None


class Items(BaseModel):
    """The result of an ensemble."""

    items: list[Item]


ANSWERS: dict[str, type[BaseModel]] = {
    "calibrate": Answer,
    "gradient": GradientAnswer,
    "simulate": SimulationAnswer,
    "check": CheckAnswer,
    "ensemble": Items,
}
TASKS = {model: task for task, model in ANSWERS.items()}


def read(model: type[Model], where: str, reply: Reply) -> Model:
    """A reply as a model; keys that it does not know are passed over.

    Raises ServerProblem for what is something else.
    """
    try:
        return model.model_validate_json(reply.body)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = "/".join(str(part) for part in wrong["loc"])
        detail = f"no answer of this version of kappafit: #/{place} {wrong['msg']}"
        problem = ProblemDetails(title="Not understood", status=reply.status, detail=detail)
        raise ServerProblem(where, problem) from None


def read_result(task: str, where: str, reply: Reply) -> Any:
    """What a job of this task has found; of an ensemble its items in order."""
    answer = read(ANSWERS[task], where, reply)
    return answer.items if isinstance(answer, Items) else answer
