"""Settings of the service, from the environment (`KAPPAFIT_...`)."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from app import folders
from app.limits import Limits


def available_cpus() -> int:
    """Cores this process may use: its affinity, and the quota of its container."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or "max": no quota
        return cores


class Settings(BaseSettings):
    """Limits and workers of one service process."""

    model_config = SettingsConfigDict(env_prefix="KAPPAFIT_")

    max_body_bytes: int = Field(default=2_000_000, gt=0, description="larger bodies get 413")
    max_cell_steps: int = Field(
        default=20_000_000, gt=0, description="cells x steps of one document"
    )
    max_bytes: int = Field(default=2**29, gt=0, description="estimated memory of one document")
    max_unknowns: int = Field(default=1_000, gt=0, description="unknowns of one document")
    max_field_values: int = Field(
        default=1_000_000, gt=0, description="temperatures in a field answer"
    )
    workers: int = Field(
        default_factory=lambda: available_cpus(),
        gt=0,
        description="documents solved at the same time",
    )
    max_waiting: int = Field(
        default=64, ge=0, description="requests waiting for a worker; more get 503"
    )
    body_seconds: float = Field(
        default=30.0, gt=0, description="time a client has to send its body"
    )
    request_seconds: float = Field(
        default=60.0, gt=0, description="a request's solving time; then 503"
    )
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

    @property
    def limits(self) -> Limits:
        """What one document may ask for."""
        return Limits(self.max_cell_steps, self.max_bytes, self.max_unknowns)

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
