"""Writes two interleaved spirals, a task that no straight line solves."""

import math
import os

import torch

torch.manual_seed(1)
turn = torch.rand(2000) * 3 * math.pi + 0.5
labels = torch.randint(0, 2, (2000,))
angle = turn + labels * math.pi
points = torch.stack([turn * angle.cos(), turn * angle.sin()], 1) / 10 + torch.randn(2000, 2) * 0.02
os.makedirs("/opt/ml/processing/output", exist_ok=True)
torch.save({"points": points, "labels": labels}, "/opt/ml/processing/output/spirals.pt")
print(f"{len(points)} points")
