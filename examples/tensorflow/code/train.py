"""TensorFlow on several workers: each has rows of its own, their gradients are added up, all end with one model."""

import json
import os

import numpy as np
import tensorflow as tf

strategy = tf.distribute.MultiWorkerMirroredStrategy()
context = strategy.cluster_resolver
rng = np.random.default_rng(context.task_id)
x = tf.constant(rng.normal(size=(512, 3)), tf.float32)
y = x @ tf.constant([[1.0], [-2.0], [0.5]])
with strategy.scope():
    weights = tf.Variable(tf.zeros((3, 1)))


@tf.function
def step():
    def replica():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((x @ weights - y) ** 2)
        gradient = tape.gradient(loss, weights)
        total = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, gradient)
        weights.assign_sub(0.1 * total)
        return loss

    return strategy.reduce(tf.distribute.ReduceOp.MEAN, strategy.run(replica), axis=None)


for _ in range(60):
    loss = float(step())
found = [round(float(v), 4) for v in weights.numpy().flatten()]
print(f"worker={context.task_id} replicas={strategy.num_replicas_in_sync} loss={loss:.6f} weights={found}", flush=True)
if context.task_id == 0:
    model = tf.keras.Sequential([tf.keras.layers.Input((3,)), tf.keras.layers.Dense(1, use_bias=False)])
    model.set_weights([weights.numpy()])
    model.save(os.path.join(os.environ["SM_MODEL_DIR"], "model.keras"))
    with open(os.path.join(os.environ["SM_MODEL_DIR"], "report.json"), "w") as file:
        json.dump({"weights": found, "replicas": strategy.num_replicas_in_sync, "version": tf.__version__}, file)
