"""The endpoints, one file for each group; add a router's line to `ROUTERS`."""

from app.routes import health, pages, solve

ROUTERS = (solve.router, health.router, pages.router)
