"""What SDK v3's ModelTrainer runs: a plain Python script."""

import json
import os

channel = os.environ["SM_CHANNEL_TRAIN"]
rows = [tuple(map(float, line.split(","))) for name in sorted(os.listdir(channel)) for line in open(os.path.join(channel, name))]
mean = sum(r[0] for r in rows) / len(rows)
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.json"), "w") as f:
    json.dump({"mean": mean, "rows": len(rows), "scale": os.environ.get("SM_HP_SCALE")}, f)
print(f"mean={mean:.6f};")
