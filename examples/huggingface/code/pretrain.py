"""Makes a tiny BERT on the spot: a tokenizer of our own words, and a few steps of masked language modelling."""

import os

from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    DataCollatorForLanguageModeling,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
    set_seed,
)
from words import sentences

set_seed(1)
texts = [text for text, _ in sentences(2000, seed=1)]
special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
words = Tokenizer(models.WordLevel(unk_token="[UNK]"))
words.pre_tokenizer = pre_tokenizers.Whitespace()
words.train_from_iterator(texts, trainers.WordLevelTrainer(special_tokens=special))
ends = [(name, words.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
words.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]",
    model_max_length=32,
)
config = BertConfig(
    vocab_size=len(tokenizer), hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
    max_position_embeddings=32, pad_token_id=tokenizer.pad_token_id, initializer_range=0.1,  # 0.02 is for wide layers
)
model = BertForMaskedLM(config)
trainer = Trainer(
    model, TrainingArguments(
        "/tmp/pretrain", per_device_train_batch_size=64, learning_rate=2e-3, num_train_epochs=2, logging_steps=20, report_to=[],
        save_strategy="no", disable_tqdm=True,
    ),
    train_dataset=[tokenizer(text, truncation=True) for text in texts], data_collator=DataCollatorForLanguageModeling(tokenizer),
)
trainer.train()
model.save_pretrained(os.environ["SM_MODEL_DIR"])
tokenizer.save_pretrained(os.environ["SM_MODEL_DIR"])
