"""A person without a mouse: Tab, Enter, Space and arrows, and what has the focus is always seen."""

from __future__ import annotations

import json
from typing import Any

from sagewright.testing.chromium import Page

STOPS = 150
"""Presses of Tab after which something counts as out of reach."""

FOCUS = """(() => {
  const e = document.activeElement;
  if (!e || e === document.body) return {name: '', role: 'body'};
  const role = e.getAttribute('role') || {A: 'link', BUTTON: 'button', TEXTAREA: 'textbox', SELECT: 'combobox'}[e.tagName]
    || (e.tagName === 'INPUT' ? {checkbox: 'checkbox', radio: 'radio', file: 'file', range: 'slider'}[e.type] || 'textbox' : e.tagName.toLowerCase());
  return {name: sw.named(e).slice(0, 200), role, place: e.getBoundingClientRect().toJSON(), visible: sw.visible(e)};
})()"""


class Keys:
    """Every step goes by key events of the browser; scripts only look."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def focus(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.page.value(FOCUS)
        return found

    async def to(self, name: str, role: str = "", back: bool = False, exact: bool = False) -> None:
        """Tab until the focus is on what is called so. Raises AssertionError with the stops on the way when it is out of reach."""
        stops = []
        for _ in range(STOPS):
            at = await self.focus()
            if (at["name"] == name if exact else name in at["name"]) and role in ("", at["role"]):
                assert at["visible"], at
                return
            stops.append(f"{at['role']} {at['name'][:40]!r}")
            await self.page.press("Shift+Tab" if back else "Tab")
        raise AssertionError(f"{role} {name!r} cannot be reached by Tab: {stops}")

    async def arrow(self, key: str, name: str, role: str = "") -> None:
        """An arrow until the focus is there: tabs, menus, cells of a table."""
        stops = []
        for _ in range(40):
            at = await self.focus()
            if name in at["name"] and role in ("", at["role"]):
                return
            stops.append(f"{at['role']} {at['name'][:40]!r}")
            await self.page.press(key)
        raise AssertionError(f"{role} {name!r} cannot be reached by {key}: {stops}")

    async def activate(self, name: str, role: str = "button", exact: bool = False) -> None:
        await self.page.until(f"sw.find('a, button, input, [role]', {json.dumps(name)}, {json.dumps(exact)})")
        await self.to(name, role, exact=exact)
        await self.page.press("Enter")

    async def write(self, name: str, text: str, exact: bool = False) -> None:
        """Into the field of that name, in the place of what is in it."""
        await self.page.until(f"sw.find('input, textarea', {json.dumps(name)}, {json.dumps(exact)})")
        await self.to(name, exact=exact)
        await self.page.press("Control+a")
        await self.page.write(text)

    async def cell(self, row: str, name: str, role: str = "") -> None:
        """What is called so in the row of a table that shows ``row``: a table is one stop of Tab, arrows lead on within."""
        inside = "document.activeElement?.closest('table') !== null"
        here = f"document.activeElement?.closest('tr')?.innerText.includes({json.dumps(row)})"
        await self.page.until(f"[...document.querySelectorAll('tr')].some((r) => sw.visible(r) && r.innerText.includes({json.dumps(row)}))")
        if await self.page.value(inside):
            await self.page.press("Control+Home")
        for test, key in ((inside, "Tab"), (here, "ArrowDown")):
            for _ in range(STOPS):
                if await self.page.value(test):
                    break
                await self.page.press(key)
            else:
                raise AssertionError(f"{row!r}: {test} does not come by {key}")
        await self.page.press("Home")
        await self.arrow("ArrowRight", name, role)

    async def tab(self, name: str) -> None:
        """A tab of the page: into the row of tabs, then by arrows."""
        await self.page.until(f"sw.find('[role=tab]', {json.dumps(name)}, true)")
        for _ in range(STOPS):
            if (await self.focus())["role"] == "tab":
                break
            await self.page.press("Tab")
        await self.arrow("ArrowRight", name, "tab")
        await self.page.press("Enter")
        await self.page.until(f"sw.find('[role=tab][aria-selected=true]', {json.dumps(name)}, true)")
