"""The arithmetic of a model. Only `choice` decides which implementation computes it.

    ops        the operations of BERT; the definition calls Paddle's own layers
    cpu_ops    the same operations for training on the CPU in float32, by compiled loops (kernels, norm_kernels)
    dropout    masks that are functions of a key and a counter
    memory     the memory of a tensor as an array; the gradient that decoder and embeddings share

This folder knows no model. It works on tensors and Paddle's layers.
"""
