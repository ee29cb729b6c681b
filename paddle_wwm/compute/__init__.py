"""The arithmetic of a model. Only `choice` decides which implementation computes it.

    ops        the operations of BERT; the definition calls Paddle's own layers
    cpu_ops    the same operations for training on the CPU in float32, by compiled loops (kernels, norm_kernels)
    bf16       products of bfloat16 numbers (onednn), and the layers of a model with them (bf16_ops, bf16_attention)
    dropout    masks that are functions of a key and a counter
    memory     the memory of a tensor as an array; the gradient that decoder and embeddings share

This folder knows no model. It works on tensors and Paddle's layers.
"""
