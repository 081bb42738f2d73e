"""The endpoints, one file for each group; add a router's line to `ROUTERS`."""

from app.routes import health, job_events, jobs, logs, metrics, pages, solve

ROUTERS = (
    solve.router,
    jobs.router,
    job_events.router,
    logs.router,
    health.router,
    metrics.router,
    pages.router,
)
