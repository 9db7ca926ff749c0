"""Every view of the Classify page: list, charts, map, similar photos, versions, what an answer
depends on, the zoomed photo, and the filter."""

from __future__ import annotations

from pathlib import Path

from desktop.app import App
from desktop.classify.gallery_query import Facet, Query
from desktop.classify.gallery_view import GalleryLayout
from tests.screenshots.waiting import save
from tests.support.waiting import wait_until


async def save_classifying(app: App, out: Path, ending: str) -> None:
    """Show each view of the gallery, once it has answered photos, and save it."""
    window, page = app.window, app.classify_page

    async def save_view(name: str) -> None:
        await wait_until(lambda: not any(not job.background for job in app.jobs.running))
        await save(window, out / f"classify-{name}-{ending}.png")

    first = page.gallery.photos[-1].key
    page.grid.clearSelection()
    await save_view("charts")
    page.select(first)
    await save_view("photo")
    page.view_menu.layouts[GalleryLayout.LIST].trigger()
    await save_view("list")
    page.view_menu.layouts[GalleryLayout.GRID].trigger()
    page.grid.select_all(page.shown_keys()[:4])
    await save_view("several")
    page.select(first)
    page.similar_action.trigger()
    await save_view("similar")
    page.content.show_all.click()
    page.select(first)
    page.explain_action.setChecked(True)
    await save_view("explain")
    page.zoom()
    await save_view("zoom")
    page.zoomed.leave()
    page.explain_action.setChecked(False)
    page.view_menu.map.trigger()
    await save_view("map")
    page.view_menu.leave_map()
    page.filter_panel.open_below(page.header.filter)
    page.filter_panel.show_facet(Facet.CLASS)
    await save(page.filter_panel, out / f"classify-filter-{ending}.png")
    page.filter_panel.hide()
    page.set_query(Query().with_text("no photo is called so"))
    await save_view("no-match")
    page.set_query(Query())
    await wait_until(lambda: app.compare is not None)
    assert app.compare is not None
    compare = app.compare.view
    page.grid.clearSelection()
    page.compare_action.trigger()
    await save_view("compare-choices")
    if compare.compare.isEnabled():
        compare.compare.click()
        await save_view("compare")
    compare.leave()
    page.select(first)
