"""Where the service keeps what it writes: all under one folder, `KAPPAFIT_DATA`."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path


def default_data() -> Path:
    """The platform's folder for a user's data; it is made when something is written."""
    return user_data_path("kappafit", appauthor=False)


def job_store_url(data: Path) -> str:
    """The database URL of the job store's SQLite file under the folder `data`."""
    return f"sqlite:///{data.absolute() / 'jobs.sqlite'}"
