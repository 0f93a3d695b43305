import re

from mcqa.page import plain

HOSTILE = "<script>alert('a')</script>\n**b** ![c](http://d.example) $e$ :red[f]"


def test_html_of_a_text_has_no_tag_but_ours():
    parts = plain.paragraph(HOSTILE), plain.box(HOSTILE), plain.heading(HOSTILE)
    table = plain.table([HOSTILE], [[HOSTILE, HOSTILE]], HOSTILE)
    tags = set(re.findall(r"</?(\w+)", "".join((*parts, table))))
    known = {"p", "div", "strong", "h3", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert tags == known


def test_markdown_of_a_text_has_every_mark_escaped():
    shown = plain.in_markdown(HOSTILE)
    marked = rf"\\(.){plain.JOINER}"
    assert not re.search(r"[!-/:-@\[-`{-~]", re.sub(marked, "", shown))
    assert re.sub(marked, r"\1", shown) == " ".join(HOSTILE.split())


def test_a_box_says_in_words_what_its_colour_says():
    assert "<strong>Error:</strong> a" in plain.box("a")
    assert "<strong>Warning:</strong> a" in plain.box("a", "warning")
