"""Turns the census of the course's three tables into constants that the synthetic tables are made to.

Never holds a row, a person or a text of the real tables: counts, category names and country names only.
Rules: the domain notes' census of the three tables, §2.1 to §2.4, re-counted from the complete
geolocation and user files; the counts of pins are those of 3,931 known rows, scaled to 11,154.
"""

from __future__ import annotations

ROWS = 11_154

# Categories fill contiguous blocks of the key, in this order; the number is the last key of the block.
CATEGORY_LAST_KEYS: tuple[tuple[str, int], ...] = (
    ("art", 893),
    ("beauty", 1640),
    ("christmas", 2636),
    ("diy-and-crafts", 3466),
    ("education", 4330),
    ("event-planning", 5077),
    ("finance", 5864),
    ("home-decor", 6723),
    ("mens-fashion", 7577),
    ("quotes", 8484),
    ("tattoos", 9457),
    ("travel", 10313),
    ("vehicles", 11_153),
)

# (rows, people): so many people have so many rows each; 5,307 people in all.
PERSON_SIZES: tuple[tuple[int, int], ...] = (
    (244, 1),
    (140, 1),
    (88, 2),
    (86, 2),
    (81, 1),
    (68, 1),
    (60, 1),
    (54, 1),
    (53, 1),
    (49, 1),
    (47, 1),
    (45, 2),
    (44, 1),
    (38, 1),
    (36, 1),
    (35, 3),
    (32, 1),
    (31, 1),
    (30, 1),
    (28, 3),
    (26, 1),
    (24, 4),
    (23, 1),
    (21, 3),
    (20, 3),
    (19, 5),
    (18, 7),
    (17, 1),
    (16, 5),
    (15, 6),
    (14, 8),
    (13, 8),
    (12, 9),
    (11, 11),
    (10, 25),
    (9, 22),
    (8, 35),
    (7, 36),
    (6, 65),
    (5, 88),
    (4, 156),
    (3, 272),
    (2, 640),
    (1, 3869),
)

# (age, people, rows)
AGES: tuple[tuple[int, int, int], ...] = (
    (20, 255, 2126),
    (21, 226, 1218),
    (22, 188, 572),
    (23, 187, 636),
    (24, 154, 364),
    (25, 179, 426),
    (26, 132, 296),
    (27, 144, 321),
    (28, 158, 354),
    (29, 144, 262),
    (30, 151, 266),
    (31, 132, 237),
    (32, 160, 261),
    (33, 133, 198),
    (34, 130, 192),
    (35, 128, 192),
    (36, 118, 159),
    (37, 135, 197),
    (38, 123, 182),
    (39, 117, 164),
    (40, 131, 162),
    (41, 99, 126),
    (42, 139, 171),
    (43, 108, 145),
    (44, 110, 136),
    (45, 127, 159),
    (46, 94, 119),
    (47, 107, 127),
    (48, 107, 124),
    (49, 110, 128),
    (50, 117, 126),
    (51, 97, 107),
    (52, 116, 122),
    (53, 106, 113),
    (54, 83, 88),
    (55, 108, 111),
    (56, 94, 100),
    (57, 94, 96),
    (58, 88, 89),
    (59, 90, 93),
    (60, 88, 89),
)

# (year of joining, people, rows)
JOIN_YEARS: tuple[tuple[int, int, int], ...] = ((2015, 841, 4507), (2016, 2760, 4791), (2017, 1706, 1856))
FIRST_JOINED = "2015-10-21 03:17:47"
LAST_JOINED = "2017-10-20 10:44:26"

# (year of the post, rows)
POST_YEARS: tuple[tuple[int, int], ...] = (
    (2017, 432),
    (2018, 2316),
    (2019, 2192),
    (2020, 2172),
    (2021, 2208),
    (2022, 1834),
)
FIRST_POST = "2017-10-19 15:13:42"
LAST_POST = "2022-10-19 17:54:26"

LATITUDES = (-89.9796, 89.9946)
LONGITUDES = (-179.908, 179.935)

FIRST_NAMES = 595
LAST_NAMES = 927
# 5,081 names for 5,307 people: 166 names belong to two of them, 30 to three.
SHARED_NAMES: tuple[tuple[int, int], ...] = ((3, 30), (2, 166))

# The person whose pins all lost poster, followers, title, tags and image; draw number one is such a pin.
SENTINEL_PERSON_ROWS = 88
SENTINEL_KEY = 7528

# (class of a pin, rows); the rest, 9,750 rows, is clean and an image.
PIN_CLASSES: tuple[tuple[str, int], ...] = (
    ("story", 550),
    ("story, image error", 196),
    ("story, no tags", 14),
    ("video", 298),
    ("video, no description", 11),
    ("video, no tags", 9),
    ("image, no description", 167),
    ("image, no tags", 71),
)

# Single rows that the notes name by their key.
EMPTY_TITLE_KEY = 5658
UNTITLED_DESCRIPTION_KEY = 1014
UNTITLED_TITLE_KEY = 10_983
DOT_TITLE_KEY = 6560
LETTER_TITLE_KEY = 7100

# (form, rows): 2,895 : 684 : 320 of 3,899 known values.
FOLLOWER_FORMS: tuple[tuple[str, int], ...] = (("M", 908), ("k", 8217), ("", 1941))
# Magnitudes seen; the more, the rarer.
MILLIONS = (*(1,) * 80, *(2,) * 24, *(3,) * 12, *(4,) * 6, *(5,) * 5, 6, 7, 8, 8, 15)

# Shares in thousandths of the rows (the cut descriptions: of the rows that have a description).
TITLE_NON_ASCII = 103
DESCRIPTION_CUT_SHORT = 406
TAGS_NINE = 980

# Rows of a kind among all 11,154.
TITLES_WITH_LINE_BREAK = 23
TITLES_WITH_OUTER_BLANKS = 23
DESCRIPTIONS_WITH_LOST_EMOJI = 11
DESCRIPTIONS_WITH_LABEL = 31
POSTERS_WITH_OUTER_BLANKS = 158

# File name endings in thousandths; jpg is the rest.
IMAGE_ENDINGS: tuple[tuple[str, int], ...] = (("png", 146), ("webp", 4), ("gif", 1))

# rows: the countries that occur in so many rows; 243 countries.
COUNTRY_ROWS: dict[int, tuple[str, ...]] = {
    563: ("Albania",),
    487: ("Algeria",),
    427: ("Afghanistan",),
    346: ("Aruba",),
    317: ("American Samoa",),
    232: ("Andorra", "Argentina"),
    171: ("Anguilla", "Armenia"),
    160: ("Azerbaijan",),
    159: ("Bahamas",),
    144: ("Bouvet Island (Bouvetoya)",),
    135: ("Austria",),
    134: ("Antarctica (the territory South of 60 deg S)", "Bangladesh"),
    124: ("Antigua and Barbuda",),
    109: ("Bulgaria",),
    105: ("Congo",),
    104: ("Barbados",),
    95: ("Bolivia",),
    89: ("Angola", "Belize"),
    87: ("Belgium",),
    86: ("British Virgin Islands",),
    85: ("Benin",),
    84: ("Belarus", "Bermuda"),
    82: ("Botswana",),
    80: ("Australia",),
    77: ("Cameroon",),
    74: ("Christmas Island",),
    72: ("Bosnia and Herzegovina",),
    69: ("Burkina Faso",),
    68: ("Bahrain", "Bhutan"),
    65: ("Chile",),
    64: ("Burundi",),
    62: ("Central African Republic",),
    61: ("Cote d'Ivoire", "Cyprus"),
    58: ("Dominican Republic",),
    57: ("Ecuador",),
    56: ("Costa Rica", "Cuba", "Egypt"),
    55: ("Canada",),
    54: ("Brazil",),
    53: ("French Polynesia",),
    52: ("Cambodia",),
    51: ("Chad", "Comoros"),
    50: ("Ethiopia",),
    49: ("Montserrat",),
    48: ("Cayman Islands",),
    47: ("British Indian Ocean Territory (Chagos Archipelago)", "Korea"),
    44: ("Colombia", "Macao"),
    43: ("Finland", "Kuwait"),
    42: ("Cook Islands", "Djibouti", "Greece", "Grenada"),
    41: ("Cocos (Keeling) Islands", "Heard Island and McDonald Islands", "India"),
    40: ("Brunei Darussalam", "Cape Verde", "El Salvador", "France", "Greenland", "Guyana", "Nauru"),
    37: ("Gabon", "Jamaica"),
    36: ("Croatia", "Guatemala", "Malawi"),
    35: ("French Guiana", "Germany", "Iraq"),
    34: ("Hungary", "Israel"),
    33: ("Czech Republic", "Fiji", "Haiti"),
    32: ("China", "Denmark", "Isle of Man", "Italy", "Kyrgyz Republic", "Lebanon", "Nicaragua"),
    31: ("Eritrea", "Falkland Islands (Malvinas)"),
    30: ("Georgia", "Kenya", "Liberia", "Mongolia"),
    29: ("Equatorial Guinea", "Estonia", "Guam", "Guinea-Bissau", "Jordan", "Kazakhstan", "Madagascar"),
    28: ("Dominica", "Gibraltar", "Honduras", "Myanmar", "Netherlands", "Oman"),
    27: ("Hong Kong", "Libyan Arab Jamahiriya", "Liechtenstein", "Martinique", "Mayotte", "Moldova"),
    26: (
        "French Southern Territories",
        "Iceland",
        "Mali",
        "Marshall Islands",
        "Monaco",
        "Nepal",
        "Nigeria",
        "Saudi Arabia",
    ),
    25: (
        "Guadeloupe",
        "Iran",
        "Jersey",
        "Kiribati",
        "Lao People's Democratic Republic",
        "Maldives",
        "Namibia",
        "Palestinian Territory",
    ),
    24: ("Japan", "Morocco", "New Caledonia", "Paraguay", "Reunion", "Seychelles", "Solomon Islands"),
    23: (
        "Ghana",
        "Holy See (Vatican City State)",
        "Latvia",
        "Malta",
        "Niue",
        "Saint Kitts and Nevis",
        "Saint Pierre and Miquelon",
        "Uganda",
    ),
    22: (
        "Faroe Islands",
        "Guinea",
        "Ireland",
        "Mexico",
        "Portugal",
        "Somalia",
        "Sri Lanka",
        "Switzerland",
        "Tajikistan",
        "United Kingdom",
    ),
    21: (
        "Indonesia",
        "Micronesia",
        "Mozambique",
        "Pitcairn Islands",
        "Russian Federation",
        "Samoa",
        "Sweden",
        "Syrian Arab Republic",
        "Timor-Leste",
    ),
    20: (
        "Lesotho",
        "Lithuania",
        "Montenegro",
        "Netherlands Antilles",
        "New Zealand",
        "Palau",
        "Papua New Guinea",
        "Trinidad and Tobago",
        "Wallis and Futuna",
    ),
    19: ("Malaysia", "Mauritania", "Puerto Rico", "Saint Lucia", "Turkmenistan", "Yemen"),
    18: (
        "Guernsey",
        "Niger",
        "Saint Barthelemy",
        "Singapore",
        "Slovakia (Slovak Republic)",
        "Tonga",
        "Tunisia",
        "Turkey",
        "Tuvalu",
    ),
    17: (
        "Gambia",
        "Norfolk Island",
        "Peru",
        "Philippines",
        "Qatar",
        "Saint Helena",
        "Saint Vincent and the Grenadines",
        "Slovenia",
        "South Georgia and the South Sandwich Islands",
        "Taiwan",
        "Thailand",
        "Venezuela",
    ),
    16: (
        "Luxembourg",
        "Saint Martin",
        "San Marino",
        "Senegal",
        "Sudan",
        "Swaziland",
        "Tanzania",
        "Tokelau",
        "United States Virgin Islands",
        "United States of America",
        "Vanuatu",
        "Western Sahara",
    ),
    15: ("Pakistan", "United States Minor Outlying Islands"),
    14: ("Macedonia", "Romania", "Vietnam", "Zambia"),
    13: ("Mauritius", "Norway", "Svalbard & Jan Mayen Islands", "Ukraine"),
    12: ("Sao Tome and Principe", "Serbia", "South Africa", "Togo", "Uruguay"),
    11: ("Poland", "Spain"),
    10: ("Panama", "Suriname", "Turks and Caicos Islands"),
    9: ("Rwanda", "Sierra Leone", "Uzbekistan", "Zimbabwe"),
    8: ("Northern Mariana Islands",),
    5: ("United Arab Emirates",),
}
