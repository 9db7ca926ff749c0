"""Brings image classifiers of other programs in, as versions that answer the servable contract.

`model_file` says what a path is, `label_files` what its classes are called, `interface` what the
model takes and gives. What needs TensorFlow runs in `program`, a process of its own with limits
on memory, time and the network; `run_program` starts it.
"""
