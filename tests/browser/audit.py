"""What a page owes to everybody: names for its controls, contrast, nothing cut off at the side."""

from __future__ import annotations

from typing import Final

from playwright.async_api import Page

# WCAG 2.2, 1.4.3: 4.5 to 1, and 3 to 1 for large text (24 px, or 18.66 px and bold).
_CONTRAST: Final = """
() => {
  const pen = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = color;
    pen.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = pen.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (top, under) => top.map((part, at) =>
    at === 3 ? 1 : part * top[3] + under[at] * (1 - top[3]));
  const lineage = (node) => node ? [node, ...lineage(node.parentElement)] : [];
  const light = (color) => {
    const [red, green, blue] = color.map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ratio = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const node = text.parentElement;
    if (!text.data.trim() || node.closest(":disabled, .unseen, svg, [inert]")) continue;
    if (!node.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const style = getComputedStyle(node);
    const ancestors = lineage(node);
    const ground = ancestors.map((one) => rgba(getComputedStyle(one).backgroundColor))
      .reduceRight((under, top) => over(top, under), [255, 255, 255, 1]);
    const opacity = ancestors.reduce((all, one) => all * getComputedStyle(one).opacity, 1);
    const ink = rgba(style.color);
    ink[3] *= opacity;
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const found = ratio(over(ink, ground), ground);
    if (found < (large ? 3 : 4.5)) {
      poor.push(`${found.toFixed(2)}: "${text.data.trim().slice(0, 40)}" in .${node.className}`);
    }
  }
  return poor;
}
"""
_SIDEWAYS: Final = """
() => {
  const wide = [document.documentElement, document.body, document.querySelector("#log")]
    .filter((node) => node && node.scrollWidth > node.clientWidth);
  return wide.map((node) => `${node.id || node.tagName} scrolls sideways`);
}
"""
_FOCUS: Final = """
() => {
  const node = document.activeElement;
  const box = node.closest(".composer-box") || node;
  const style = getComputedStyle(box);
  return { tag: node.tagName, id: node.id,
    ringed: style.outlineStyle !== "none" || style.boxShadow !== "none" };
}
"""


async def poor_contrast(page: Page) -> list[str]:
    """Every visible text that is too faint on its ground."""
    found: list[str] = await page.evaluate(_CONTRAST)
    return found


async def sideways(page: Page) -> list[str]:
    """What would have to be scrolled sideways."""
    found: list[str] = await page.evaluate(_SIDEWAYS)
    return found


async def focused(page: Page) -> dict[str, object]:
    """`{tag, id, ringed}` of what has the focus: whether one can see that it has."""
    found: dict[str, object] = await page.evaluate(_FOCUS)
    return found
