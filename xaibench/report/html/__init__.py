"""The report as a page: `report/html/index.html` and what it needs beside it.

A section is a file in `sections/`, found by listing the folder: `title`, `key` (of links and
data), `place` (sections stand in its order) and `section(view) -> SectionHtml | None`. Its template
lies in `templates/`, its own style and script in `static/`. The page opens from disk and fetches
nothing: data stands in it as JSON, or in small scripts that are loaded when they are wanted.
"""
