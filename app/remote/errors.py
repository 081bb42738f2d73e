"""What a service did not do, as exceptions whose text says where and what."""

from __future__ import annotations

from pydantic import ValidationError

from app.jobs.status import JobStatus
from app.problems import ProblemDetails, ProblemItem
from app.remote.exchange import Reply

HINTS = {401: "; set KAPPAFIT_KEY; a key is made by `kappafit keys add NAME` over there"}


class RemoteError(Exception):
    """A service did not do what it was asked for."""


class Unreachable(RemoteError):
    """No answer, in all attempts."""


class ServerProblem(RemoteError):
    """A refusal: status, title, detail, errors with their pointers, request_id."""

    def __init__(self, where: str, problem: ProblemDetails) -> None:
        self.status, self.title, self.detail = problem.status, problem.title, problem.detail
        self.errors, self.request_id = problem.errors, problem.request_id
        said = f" (request {self.request_id})" if self.request_id else ""
        hint = HINTS.get(self.status, "")
        super().__init__(f"{where}{said}: {self.status} {words(problem)}{hint}")


class JobFailed(RemoteError):
    """A job ended without an answer; `problem` says why."""

    def __init__(self, job: JobStatus) -> None:
        self.job = job
        self.problem = job.problem or ProblemDetails(title="Failed", status=500, detail=job.message)
        super().__init__(f"job {job.id} failed: {words(self.problem)}")


class JobDismissed(RemoteError):
    """A job was stopped."""

    def __init__(self, job: JobStatus) -> None:
        self.job = job
        super().__init__(f"job {job.id} was dismissed, it has no result")


def words(problem: ProblemDetails) -> str:
    """A problem as text, what is wrong line by line."""
    if problem.errors:
        return f"{problem.title}\n{lines(problem.errors)}"
    return ": ".join(dict.fromkeys((problem.title, problem.detail)))


def lines(errors: list[ProblemItem]) -> str:
    """Where and what, a line each."""
    return "\n".join(f"{e.pointer}  {e.detail}  ({e.code})" for e in errors)


def problem_of(where: str, reply: Reply) -> ServerProblem:
    """The refusal in a reply; of what is no service of ours its status alone."""
    try:
        problem = ProblemDetails.model_validate_json(reply.body)
    except ValidationError:
        kind = reply.headers.get("Content-Type", "nothing")
        detail = f"what answers there is no kappafit service, or a proxy before it ({kind})"
        problem = ProblemDetails(title="Not understood", status=reply.status, detail=detail)
    id = problem.request_id or reply.headers.get("X-Request-ID")
    return ServerProblem(where, problem.model_copy(update={"request_id": id}))
