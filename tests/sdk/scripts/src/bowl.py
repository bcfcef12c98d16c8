"""A training script whose loss is least at shift = 0.3, in its third epoch."""

import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--shift", type=float)
parser.add_argument("--kind", default="plain")
given, _ = parser.parse_known_args()
for epoch in range(3):
    print("loss=%.6f;" % ((given.shift - 0.3) ** 2 + (given.kind != "plain") + 1 / (epoch + 1)), flush=True)
