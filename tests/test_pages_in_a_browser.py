"""Every page of the tour: axe finds nothing serious, nothing is wider than the screen, and Chromium has no complaint."""

from __future__ import annotations

import pytest

from tests.browser import Desk, chromium
from tests.tour import touring


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.mark.long
@pytest.mark.parametrize("language", ["ja-JP", "en-GB"])
def test_every_page_is_accessible_at_both_widths(browser, language, tmp_path):
    with touring(tmp_path) as tour:
        seen = []
        for stop, desk in tour.visits(browser, language):
            desk.require_accessible()
            desk.require_quiet()
            seen.append(stop.name)
        assert len(seen) == len(set(seen)) > 40


BAD = {
    "image-alt": '<main><h1>x</h1><img src="data:,"></main>',
    "color-contrast": '<main><h1>x</h1><p style="color:#aaa;background:#fff">faint</p></main>',
    "label": "<main><h1>x</h1><input></main>",
    "overflows": '<main><h1>x</h1><p style="width:2000px">wide</p></main>',
}


@pytest.mark.parametrize("word", BAD)
def test_a_page_that_is_not_is_found(browser, word):
    desk = Desk(browser, "http://localhost")
    desk.page.set_content(f'<!doctype html><html lang="en"><title>x</title><body>{BAD[word]}')
    with pytest.raises(AssertionError, match=word):
        desk.require_accessible()
    desk.close()


def test_a_complaint_of_the_browser_is_heard(browser):
    desk = Desk(browser, "http://localhost")
    desk.page.evaluate("() => { console.error('of a script') }")
    with pytest.raises(AssertionError, match="of a script"):
        desk.require_quiet()
    desk.complaints.clear()
    desk.page.evaluate("() => { setTimeout(() => { throw new Error('thrown'); }); }")
    desk.page.wait_for_timeout(50)
    with pytest.raises(AssertionError, match="thrown"):
        desk.require_quiet()
    desk.complaints.clear()
    desk.close()
