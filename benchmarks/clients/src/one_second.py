"""A job whose own work takes one second."""

import time

print("working", flush=True)
time.sleep(1)
print("done", flush=True)
