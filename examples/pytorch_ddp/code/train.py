"""Distributed data parallel: each process trains on its share, the gradients are averaged, all end with one model."""

import argparse
import json
import os

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--lr", type=float, default=0.01)
parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
args = parser.parse_args()

dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
rank, size = dist.get_rank(), dist.get_world_size()
device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if torch.cuda.is_available() else torch.device("cpu")

torch.manual_seed(7)
data = torch.load(os.path.join(os.environ.get("SM_CHANNEL_TRAIN", "/opt/ml/input/data/train"), "spirals.pt"))
points, labels = data["points"], data["labels"]
sampler = DistributedSampler(TensorDataset(points, labels), size, rank, seed=7)
loader = DataLoader(TensorDataset(points, labels), batch_size=64, sampler=sampler)

model = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)).to(device)
model = DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)
optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
for epoch in range(args.epochs):
    sampler.set_epoch(epoch)
    total = torch.zeros(2, device=device)
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x.to(device)), y.to(device))
        loss.backward()
        optimizer.step()
        total += torch.tensor([loss.item() * len(x), len(x)], device=device)
    dist.all_reduce(total)
    if rank == 0:
        print(f"epoch={epoch} train_loss={total[0].item() / total[1].item():.4f}", flush=True)

with torch.no_grad():
    accuracy = (model.module(points.to(device)).argmax(1).cpu() == labels).float().mean().item()
weights = torch.cat([p.detach().flatten() for p in model.parameters()])
furthest = weights.clone()
dist.all_reduce(furthest, op=dist.ReduceOp.MAX)
same = torch.equal(furthest, weights)
print(f"rank={rank} of {size} on {os.environ['SM_CURRENT_HOST']}: accuracy={accuracy:.4f}; same_weights={same}", flush=True)
if rank == 0:
    torch.save(model.module.state_dict(), os.path.join(args.model_dir, "model.pt"))
    with open(os.path.join(args.model_dir, "report.json"), "w") as file:
        json.dump({"accuracy": accuracy, "processes": size, "same_weights": same}, file)
dist.destroy_process_group()
