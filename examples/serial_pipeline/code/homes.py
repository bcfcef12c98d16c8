"""Homes and their prices."""

import random

DISTRICTS = {"north": 0, "south": 40_000, "harbour": 120_000}


def homes(count, seed=1):
    """(price, district, metres, rooms) of each."""
    chance = random.Random(seed)
    for _ in range(count):
        district, metres, rooms = chance.choice(list(DISTRICTS)), chance.randint(30, 180), chance.randint(1, 6)
        yield price(district, metres, rooms) + chance.gauss(0, 2_000), district, metres, rooms


def price(district, metres, rooms):
    return DISTRICTS[district] + 3_000 * metres + 5_000 * rooms


def csv(rows):
    return "".join(",".join(map(str, row)) + "\n" for row in rows)
