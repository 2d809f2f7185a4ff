"""Finds the fonts that a picture needs, so that names in any script can be read.

The first font is DejaVu Sans, which comes with matplotlib. It has no letters of East Asian and some
other scripts. For these the installed fonts of the list below serve, in order. quiesce ships no
font. A letter that no installed font can draw appears as a box, and the picture says so.
"""

from collections.abc import Iterable
from functools import cache

MAIN = "DejaVu Sans"

FALLBACKS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Noto Sans SC",
    "Noto Sans JP",
    "Noto Sans KR",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "IPAGothic",
    "NanumGothic",
    "Droid Sans Fallback",
    "PingFang SC",
    "Hiragino Sans",
    "Apple SD Gothic Neo",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Sans Bengali",
    "Noto Sans Tamil",
    "Noto Sans",
    "Arial Unicode MS",
    "Unifont",
)
"""Fonts with letters that the main font lacks, in the order in which they are tried."""


def families_for(texts: Iterable[str]) -> tuple[list[str], bool]:
    """Return the font families that texts need, and whether some letter is in none of them."""
    wanted = {ord(letter) for text in texts for letter in text if not letter.isascii()}
    wanted -= _letters_of(MAIN)
    families = [MAIN]
    for family in FALLBACKS:
        if not wanted:
            break
        found = wanted & _letters_of(family)
        if found:
            families.append(family)
            wanted -= found
    return families, bool(wanted)


@cache
def _letters_of(family: str) -> frozenset[int]:
    """Return the code points of a font; none if it is not installed."""
    from matplotlib.font_manager import FontProperties, findfont, get_font  # noqa: PLC0415

    try:
        path = findfont(FontProperties(family=[family]), fallback_to_default=False)
    except ValueError:
        return frozenset()
    return frozenset(get_font(path).get_charmap())
