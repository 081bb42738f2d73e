"""The first page and the interactive documentation, all from the package."""

from __future__ import annotations

import html
from importlib.resources import files

from fastapi import APIRouter, HTTPException, Request, Response

router = APIRouter(include_in_schema=False)

PAGE = files("app") / "page"
SWAGGER = PAGE / "vendor" / "swagger-ui"
ASSETS = {  # a closed list: nothing else can be asked for
    "style.css": (PAGE / "style.css", "text/css"),
    "docs.js": (PAGE / "docs.js", "text/javascript"),
    "swagger-ui.css": (SWAGGER / "swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": (SWAGGER / "swagger-ui-bundle.js", "text/javascript"),
}
SAFE = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


@router.get("/")
async def index(request: Request) -> Response:
    """What this is."""
    base = html.escape(str(request.base_url).rstrip("/"))
    text = (PAGE / "index.html").read_text("utf-8").replace("{base}", base)
    return Response(text, media_type="text/html", headers=SAFE)


@router.get("/docs")
async def docs() -> Response:
    """The interactive documentation, without a foreign server."""
    return Response((PAGE / "docs.html").read_bytes(), media_type="text/html", headers=SAFE)


@router.get("/assets/{name}")
async def asset(name: str) -> Response:
    """Style sheets and scripts."""
    if name not in ASSETS:
        raise HTTPException(404, "no such file")
    file, kind = ASSETS[name]
    headers = SAFE | {"Cache-Control": "max-age=3600"}
    return Response(file.read_bytes(), media_type=kind, headers=headers)
