"""Fine-tunes the model of the channel ``model`` to tell praise from complaint."""

import argparse
import os
import tarfile

import numpy as np
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)
from words import sentences

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=float, default=5)
parser.add_argument("--learning-rate", type=float, default=2e-3)
args = parser.parse_args()

set_seed(2)
with tarfile.open(os.path.join(os.environ["SM_CHANNEL_MODEL"], "model.tar.gz")) as tar:
    tar.extractall("/tmp/base")
tokenizer = AutoTokenizer.from_pretrained("/tmp/base")
model = AutoModelForSequenceClassification.from_pretrained("/tmp/base", num_labels=2)


def dataset(count, seed):
    texts, labels = zip(*sentences(count, seed), strict=True)
    return Dataset.from_dict({"text": texts, "label": labels}).map(lambda row: tokenizer(row["text"], truncation=True), batched=True)


def accuracy(prediction):
    return {"accuracy": float((np.argmax(prediction.predictions, 1) == prediction.label_ids).mean())}


trainer = Trainer(
    model, TrainingArguments(
        "/tmp/finetune", per_device_train_batch_size=32, learning_rate=args.learning_rate, num_train_epochs=args.epochs,
        logging_steps=10, report_to=[], save_strategy="no", disable_tqdm=True,
    ),
    train_dataset=dataset(1000, seed=3), eval_dataset=dataset(200, seed=4), compute_metrics=accuracy,
    data_collator=DataCollatorWithPadding(tokenizer),
)
trainer.train()
found = trainer.evaluate()
print(f"eval_loss={found['eval_loss']:.4f} eval_accuracy={found['eval_accuracy']:.4f}", flush=True)
trainer.save_model(os.environ["SM_MODEL_DIR"])
tokenizer.save_pretrained(os.environ["SM_MODEL_DIR"])
