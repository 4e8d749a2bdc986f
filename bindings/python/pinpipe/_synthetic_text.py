"""Turns numbers from a fixed sequence into names, titles, descriptions, tags and addresses of invented pins.

Never repeats a real pin or person: every word list is this file's own, names are made from syllables.
Rules: lengths, endings, shares of non-ASCII text and line breaks: the domain notes' census, §2.1 and §2.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

# below(n) is the next number of the sequence, from 0 to n - 1.
Below = Callable[[int], int]


def _words(text: str, separator: str | None = None) -> tuple[str, ...]:
    return tuple(text.split(separator))


_FIRST_ONSETS = _words(
    "Ba Bri Ca Co Da De El Fa Fe Ga Ha Ili Ja Jo Ka Le Lu Ma Mi Na Ne Ola Pe Qui Ra Ro Sa Se Ta Te Uli Va"
    " Wy Xa Ze"
)
_FIRST_ENDS = _words(
    "bren dana dric fion kara lisk lora mond nell phine quin rissa rune sha tessa thiel vann vina wick wyn"
    " zell"
)
_LAST_STARTS = _words(
    "Ald Ash Bram Brack Carr Clay Dorn Dusk Elm Fal Fen Glen Hal Hex Holl Iver Kest Lang Lor Mar Mel Nor"
    " Oak Pem Quill Rav Sed Stell Thorn Umber Val Wex Whit Yarr"
)
_LAST_ENDS = _words(
    "acre bourne bridge combe croft dale den feld gate grave ham hurst isk land ley low mere mont ning"
    " quist ridge row sett shaw stead thorpe vale wick"
)

_ADJECTIVES = _words(
    "Amber Bold Bright Calm Clever Copper Cosy Crisp Daring Easy Endless Fresh Gentle Golden Happy Hidden"
    " Honest Ivory Jolly Kind Lazy Little Lively Lucky Mellow Misty Modern Nimble Plain Playful Proud Quick"
    " Quiet Rustic Salty Shiny Silver Simple Slow Smart Soft Spicy Starry Sunny Sweet Tidy Tiny Velvet Warm"
    " Wild Witty Woolly"
)
_NOUNS = _words(
    "Anchor Attic Badger Bakery Barn Basket Beacon Blossom Bramble Button Cabin Candle Canvas Cedar Clover"
    " Compass Cottage Crayon Daisy Drawer Ember Feather Fern Fox Garden Harbor Hazel Kettle Kite Ladder"
    " Lantern Lemon Loft Magpie Maple Meadow Mitten Needle Nest Orchard Otter Paddle Parlor Pebble Pepper"
    " Pine Plum Pocket Quilt Raven Ribbon Saddle Sparrow Spoon Studio Teapot Thimble Thistle Trunk Tulip"
    " Walnut Willow Window Workshop"
)
_PLACES = _words(
    "Journal Diary Collective House Notes Club Corner Daily Market School Lab Room Works Company Stories"
)
_NON_ASCII = _words(
    "café,crème brûlée,naïve style,señorita,über-cosy,fjord å la mode,smörgåsbord,piñata,décor,à la carte,"
    "½ price,20 °C,“quoted”,it’s easy,the big – list,日本,ideias fáceis,für Anfänger,"
    "✨,🎄,😍,🔥 hot,✅,🌿,👩‍🎨",
    ",",
)

# What a pin of each category is about; the words make its titles, descriptions and tags.
_THEMES = {
    category: _words(words, ",")
    for category, words in (
        ("art", "sketch,watercolor,charcoal study,paper collage,clay figure,mural,ink drawing,color wheel"),
        ("beauty", "face mask,nail polish,braid,eye liner,hair oil,lip balm,skin routine,evening look"),
        ("christmas", "wreath,tree topper,gift tag,advent box,paper star,mantel,cookie plate,stocking"),
        ("diy-and-crafts", "macrame knot,pallet shelf,jar lamp,felt toy,yarn basket,bead chain,stencil"),
        ("education", "reading corner,spelling game,fraction poster,class rule,science box,map puzzle"),
        ("event-planning", "seating chart,budget sheet,welcome sign,table runner,guest list,photo booth"),
        ("finance", "savings jar,budget plan,debt list,side job,spending week,rainy-day fund,money habit"),
        ("home-decor", "entry bench,wall shelf,linen curtain,rug layer,reading nook,tile,plant stand"),
        ("mens-fashion", "wool coat,linen shirt,leather boot,denim layer,knit tie,field jacket,grey suit"),
        ("quotes", "morning line,word of courage,short proverb,note to self,letter of thanks,rule of calm"),
        ("tattoos", "fine line fern,wrist star,moon phase,tiny wave,shoulder bird,geometric fox,ankle vine"),
        ("travel", "island walk,night train,packing list,old harbor,mountain hut,food street,road stop"),
        ("vehicles", "old roadster,camper van,trail bike,engine swap,paint job,electric coupe,truck bed"),
    )
}
_TITLES = (
    "{n} {a} {t} ideas for a {b} {p}",
    "How to make a {a} {t} in {n} steps",
    "The {a} {t} that everyone asks about",
    "{t} for beginners: {n} things to know",
    "My {a} and {b} {t}",
    "{n} mistakes people make with a {t}",
    "A {a} {t} for a {b} afternoon",
    "{a} {t}",
)
_SENTENCES = (
    "This {a} {t} takes less than {n} minutes and looks {b}.",
    "Start with a {t}, add something {a}, and keep the rest {b}.",
    "We tried {n} ways of doing it, and the {a} one won.",
    "Save this {t} for later and share it with a {b} friend.",
    "A {a} guide to every {t} that you will need this year.",
    "You do not need much: a {b} table, {n} hours, and a {t}.",
    "Here is why a {a} {t} beats a {b} one.",
    "Read on for {n} {a} ideas.",
)
_TAG_WORDS = _words(
    "ideas,for home,easy,design,inspiration,at last,in winter,for two,on a budget,tips,aesthetic,list", ","
)


def first_names(count: int, below: Below) -> list[str]:
    """`count` different invented first names, in the sequence's order."""
    return _shuffled([start + end for start in _FIRST_ONSETS for end in _FIRST_ENDS], below)[:count]


def last_names(count: int, below: Below) -> list[str]:
    """`count` different invented last names, in the sequence's order."""
    return _shuffled([start + end for start in _LAST_STARTS for end in _LAST_ENDS], below)[:count]


def poster_names(count: int, below: Below) -> list[str]:
    """`count` different invented display names; about one in nine is not ASCII, one in 600 is very long."""
    names: dict[str, None] = {}
    while len(names) < count:
        adjective, noun, place = _pick(_ADJECTIVES, below), _pick(_NOUNS, below), _pick(_PLACES, below)
        form = below(600)
        name = f"{adjective} {noun}" if form < 200 else f"The {adjective} {noun} {place}"
        if 380 <= form < 540:
            name = f"{noun} {place}"
        elif 540 <= form < 599:
            name = f"{adjective} {noun} {_pick(_NON_ASCII, below)}"
        elif form == 599:
            name += " | " + " + ".join(_pick(_PLACES, below) + " " + _pick(_NOUNS, below) for _ in range(12))
        if name in names:
            name += f" {_pick(_PLACES, below)} {below(90) + 10}"
        names[name[:268]] = None
    return list(names)


def title(category: str, non_ascii: int, below: Below) -> str:
    """A title of 5 to 199 characters; `non_ascii`: share of titles with other letters, in thousandths."""
    text = _fill(_pick(_TITLES, below), category, below)
    if below(6) == 0:
        text += ", and " + _fill(_pick(_TITLES, below), category, below)
    if below(1000) < non_ascii:
        text += " " + _pick(_NON_ASCII, below)
    return (text[0].upper() + text[1:])[:199].rstrip()


def description(category: str, cut_short: int, below: Below) -> str:
    """A description of 20 to 180 characters; `cut_short` in a thousand end as the scraper cut them."""
    cut = below(1000) < cut_short
    wanted = 178 if cut else 40 + below(130)
    text = _fill(_pick(_SENTENCES, below), category, below)
    while len(text) < wanted:
        text += " " + _fill(_pick(_SENTENCES, below), category, below)
    if not cut:
        return text if len(text) <= 180 else text[:179].rstrip() + "."
    return text[: 176 + below(3)].rstrip() + "…\u00a0"


def tag_list(category: str, count: int, below: Below) -> str:
    """`count` tags joined by commas, at most 254 characters."""
    themes = _THEMES[category]
    tags = [f"{_pick(_ADJECTIVES, below)} {_pick(themes, below).title()}" for _ in range(count)]
    tags[below(count)] = f"{category.replace('-', ' ').title()} {_pick(_TAG_WORDS, below)}"
    return ",".join(tags)[:254]


def image_address(ending: str, folder: str, below: Below) -> str:
    """An address in the form of the real ones, under an invented digest."""
    digest = f"{below(1 << 32):08x}{below(1 << 32):08x}{below(1 << 32):08x}{below(1 << 32):08x}"
    path = f"{digest[0:2]}/{digest[2:4]}/{digest[4:6]}/{digest}.{ending}"
    return f"https://i.pinimg.com/{folder}originals/{path}"


def unique_id(below: Below) -> str:
    """A version 4 UUID in lower case."""
    words = [below(1 << 16) for _ in range(8)]
    words[3] = words[3] & 0x0FFF | 0x4000
    words[4] = words[4] & 0x3FFF | 0x8000
    text = "".join(f"{word:04x}" for word in words)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _fill(form: str, category: str, below: Below) -> str:
    return form.format(
        a=_pick(_ADJECTIVES, below).lower(),
        b=_pick(_ADJECTIVES, below).lower(),
        n=below(48) + 3,
        p=_pick(_NOUNS, below).lower(),
        t=_pick(_THEMES[category], below),
    )


def _pick(words: Sequence[str], below: Below) -> str:
    return words[below(len(words))]


def _shuffled(items: list[str], below: Below) -> list[str]:
    for last in range(len(items) - 1, 0, -1):
        other = below(last + 1)
        items[last], items[other] = items[other], items[last]
    return items
