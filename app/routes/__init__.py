"""The endpoints, one file for each group; add a router's line to `ROUTERS`."""

from app.routes import health, logs, pages, solve

ROUTERS = (solve.router, logs.router, health.router, pages.router)
