"""Settings of the service, from the environment (`KAPPAFIT_...`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from limits import parse as parse_rate
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app import folders
from app.jobs.cluster import ClusterSettings
from app.limits import Limits
from app.logbook import LogFormat, LogLevel
from app.machine import available_memory
from solver.crew import cores


class Settings(BaseSettings):
    """Limits and workers of one service process."""

    model_config = SettingsConfigDict(env_prefix="KAPPAFIT_")

    max_body_bytes: int = Field(default=2_000_000, gt=0, description="larger bodies get 413")
    max_cell_steps: int = Field(
        default=20_000_000, gt=0, description="cells x steps of one document"
    )
    max_bytes: int = Field(
        default_factory=lambda: min(2**29, available_memory() // 8),
        gt=0,
        description="estimated memory of one document",
    )
    max_unknowns: int = Field(default=1_000, gt=0, description="unknowns of one document")
    max_field_values: int = Field(
        default=1_000_000, gt=0, description="temperatures in a field answer"
    )
    workers: int = Field(
        default_factory=lambda: cores(),
        gt=0,
        description="documents solved at the same time",
    )
    max_waiting: int = Field(
        default=64, ge=0, description="requests waiting for a worker; more get 503"
    )
    wait_seconds: float = Field(
        default=4.0, gt=0, description="time a request may wait for a worker; then 503"
    )
    body_seconds: float = Field(
        default=30.0, gt=0, description="time a client has to send its body"
    )
    header_seconds: float = Field(
        default=10.0, gt=0, description="time a client has to send a request's headers"
    )
    write_seconds: float = Field(
        default=30.0, gt=0, description="time a client has to read 64 kB of its answer"
    )
    max_connections: int = Field(
        default=1000, gt=0, description="connections open at a time; more get 503"
    )
    request_seconds: float = Field(
        default=60.0, gt=0, description="a request's solving time; then 503"
    )
    drain_seconds: float = Field(
        default=0.5, ge=0, description="time in which a service told to stop still takes requests"
    )
    stop_seconds: int = Field(
        default=10, ge=0, description="time that running requests have when the service stops"
    )
    max_job_cell_steps: int = Field(
        default=2_000_000_000, gt=0, description="cells x steps of one document of a job"
    )
    max_job_bytes: int = Field(
        default_factory=lambda: min(2**30, available_memory() // 4),
        gt=0,
        description="estimated memory of one document of a job",
    )
    max_items: int = Field(default=10_000, gt=0, description="items of one ensemble")
    max_queued: int = Field(default=10_000, gt=0, description="jobs waiting; more get 503")
    scheduler: str | None = Field(
        default=None, description="address of a Dask scheduler; else workers of this machine"
    )
    job_workers: int | None = Field(
        default=None, gt=0, description="worker processes of this machine; by cores and memory"
    )
    tls_ca: Path | None = Field(default=None, description="of an encrypted cluster: authority")
    tls_cert: Path | None = Field(default=None, description="certificate")
    tls_key: Path | None = Field(default=None, description="private key")
    data: Path = Field(
        default_factory=lambda: folders.default_data(), description="folder of all that is written"
    )
    database_url: SecretStr | None = Field(
        default=None, description="job store, postgresql://...; else a SQLite file in the folder"
    )
    result_days: float = Field(default=7.0, gt=0, description="how long an ended job is kept")
    keys: Literal["auto", "on", "off"] = Field(
        default="auto", description="whether a key is needed; auto: unless it listens on loopback"
    )
    rate: str | None = Field(
        default=None,
        description='calls with a body of one key, e.g. 600/minute; "" for no limit, as without '
        "keys, where it is of one address",
    )
    metrics: bool = Field(default=True, description="whether /metrics answers")
    log_level: LogLevel = Field(default="info", description="from which on events are logged")
    log_format: LogFormat = Field(
        default="auto", description="json, or text; auto: text on a terminal"
    )

    @field_validator("rate")
    @classmethod
    def _rate_can_be_read(cls, rate: str | None) -> str | None:
        if rate:
            parse_rate(rate)
        return rate

    @property
    def limits(self) -> Limits:
        """What one document may ask for."""
        return Limits(self.max_cell_steps, self.max_bytes, self.max_unknowns)

    @property
    def job_limits(self) -> Limits:
        """What one document of a job may ask for."""
        most = max(self.max_cell_steps, self.max_job_cell_steps)
        return Limits(most, max(self.max_bytes, self.max_job_bytes), self.max_unknowns)

    @property
    def cluster(self) -> ClusterSettings:
        """Where jobs are worked on."""
        ca, cert, key = self.tls_ca, self.tls_cert, self.tls_key
        tls = None if ca is None or cert is None or key is None else (ca, cert, key)
        return ClusterSettings(self.scheduler, self.job_workers, tls, self.data / "workers")

    @property
    def store_url(self) -> str:
        """The database URL of the job store, with its password."""
        if self.database_url is None:
            return folders.job_store_url(self.data)
        return self.database_url.get_secret_value()

    @property
    def keep_seconds(self) -> float:
        """How long an ended job is kept."""
        return self.result_days * 86_400

    def shown(self) -> dict[str, str]:
        """Every setting as it is, by its environment variable; passwords are masked."""
        return {f"KAPPAFIT_{name.upper()}": _shown(value) for name, value in self}


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        from app.jobs.database import masked

        return masked(value.get_secret_value())
    return "" if value is None else str(value)
