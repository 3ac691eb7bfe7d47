"""How many of one unit make another, and how many hours a year has."""

CNY_PER_MCNY = 1e6
TOKENS_PER_MTOK = 1e6
KW_PER_MW = 1e3
HOURS_PER_YEAR = 8760.0
