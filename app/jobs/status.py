"""Jobs as they are shown to those who asked for them."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, Field

from app.jobs.job import STATUSES, SUCCESSFUL, Job
from app.problems import ProblemDetails


class Link(BaseModel):
    """Where else to look."""

    href: str
    rel: str
    type: str = "application/json"


class JobStatus(BaseModel):
    """A job, in the words of OGC API - Processes."""

    id: str
    jobID: str = Field(description="the same, by the name that the standard gives it")
    type: str = "process"
    task: str
    status: str = Field(json_schema_extra={"enum": list(STATUSES)})
    message: str = Field(description="why it failed, in a sentence")
    progress: int = Field(ge=0, le=100)
    created: datetime
    updated: datetime
    started: datetime | None = None
    finished: datetime | None = None
    expires: datetime | None = Field(default=None, description="when it is forgotten")
    problem: ProblemDetails | None = Field(default=None, description="of a failed job")
    links: list[Link]


class JobList(BaseModel):
    """Jobs, newest first."""

    jobs: list[JobStatus]
    links: list[Link]


def status_of(job: Job) -> JobStatus:
    """A job as it is shown."""
    here = f"/v1/jobs/{job.id}"
    links = [Link(href=here, rel="self")]
    if job.status == SUCCESSFUL:
        links.append(Link(href=f"{here}/result", rel="results"))
    if job.status != SUCCESSFUL:
        links.append(Link(href=f"{here}/events", rel="monitor", type="text/event-stream"))
    return JobStatus(
        id=job.id,
        jobID=job.id,
        task=job.task,
        status=job.status,
        message=job.message,
        progress=job.progress,
        problem=None if job.problem is None else ProblemDetails.model_validate(job.problem),
        links=links,
        created=_moment(job.created),
        updated=_moment(job.updated),
        started=_moment(job.started) if job.started else None,
        finished=_moment(job.finished) if job.finished else None,
        expires=_moment(job.expires) if job.expires else None,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
