"""Sentences about products, made up: what they say is in few of their words."""

import random

GOOD = ["great", "wonderful", "excellent", "lovely", "fast", "reliable", "perfect", "solid"]
BAD = ["terrible", "awful", "broken", "slow", "useless", "poor", "flimsy", "dreadful"]
THINGS = ["phone", "kettle", "lamp", "keyboard", "chair", "backpack", "speaker", "jacket"]
PATTERNS = [
    "the {thing} is {word}", "what a {word} {thing} this is", "i bought this {thing} and it was {word}",
    "my {thing} turned out to be really {word}", "a {word} {thing} for the price", "this {thing} feels {word} after a week",
]


def sentences(count, seed):
    """``count`` pairs of a sentence and its label: 1 for praise."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        label = rng.randint(0, 1)
        word, thing = rng.choice(GOOD if label else BAD), rng.choice(THINGS)
        found.append((rng.choice(PATTERNS).format(word=word, thing=thing), label))
    return found
