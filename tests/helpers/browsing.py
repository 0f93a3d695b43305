"""Open the page in a browser: `mcqa page` as a process, and Chromium as the system has it."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

from playwright.sync_api import Page, expect, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NONE = "no Chromium is installed; on Debian: apt-get install chromium"
START = 120  # seconds

# Texts that cannot be read for want of contrast (WCAG 2, formula of relative luminance), each with
# its contrast. Disabled controls are exempt there; so is what nobody sees.
FAINT = """() => {
  const rgba = color => {
    const context = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
    context.fillStyle = color; context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
  const light = color => color.slice(0, 3).map(value => value / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => {
    const layers = [], own = element.getBoundingClientRect();
    const x = own.x + own.width / 2, y = own.y + own.height / 2;
    for (let e = element; e; e = e.parentElement) {  // what stands outside has another ground
      const box = e.getBoundingClientRect();
      const behind = box.left <= x && x <= box.right && box.top <= y && y <= box.bottom;
      if (behind || e === document.body) layers.unshift(rgba(getComputedStyle(e).backgroundColor));
    }
    return layers.reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    if (!text || /^(STYLE|SCRIPT|NOSCRIPT)$/.test(element.tagName)) continue;
    if (element.closest('[disabled], [aria-disabled=true], [aria-hidden=true]')) continue;
    if (!element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    const below = ground(element), style = getComputedStyle(element);
    let opacity = 1;
    for (let e = element; e; e = e.parentElement) opacity *= getComputedStyle(e).opacity;
    const color = rgba(style.color); color[3] *= opacity;
    const pair = [light(over(color, below)), light(below)].sort((a, b) => b - a);
    const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (contrast < 4.5) faint.push(`${contrast.toFixed(2)} ${text.slice(0, 60)}`);
  }
  return faint;
}"""

# Whether the page scrolls downwards only.
NOT_WIDER = """() => [...document.querySelectorAll('.stMain, .stMainBlockContainer')]
  .every(element => element.scrollWidth <= element.clientWidth + 1)"""


def find_browser() -> str | None:
    """Return the path of a browser, None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextlib.contextmanager
def browser(path: str):
    """Give a running browser; root has no sandbox, as in containers."""
    sandbox = ["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else []
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=path, args=[*sandbox, "--disable-dev-shm-usage"]
        )
        yield running
        running.close()


@contextlib.contextmanager
def serving(folder, *arguments):
    """Run `mcqa page` in a folder, and give its address once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mcqa", "page", *map(str, arguments), "--port", str(port)]
    address = f"http://127.0.0.1:{port}"
    temporary = folder / "temporary"
    temporary.mkdir(exist_ok=True)
    with (folder / "page.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(temporary)},
        )
    try:
        _wait_until_healthy(f"{address}/_stcore/health", process, folder / "page.log")
        yield address
    finally:
        process.terminate()
        process.wait()


def _wait_until_healthy(address, process, log):
    end = time.monotonic() + START
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"the page did not start: {log.read_text()}")


def settled(page: Page) -> None:
    """Wait until the page has drawn what was asked of it, and no grey box stands for it."""
    expect(page.get_by_test_id("stApp")).to_have_attribute(
        "data-test-script-state", "notRunning", timeout=120_000
    )
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=120_000)


def choose(page: Page, label: str, option: str) -> None:
    """Choose an option of a select box."""
    box = page.get_by_role("combobox", name=re.compile(label)).first
    box.click()
    page.get_by_role("option", name=option, exact=True).first.click()
