"""How a model's arithmetic is computed: which way is taken is decided in `choice`, and nowhere else.

    ops        the operations that BERT is made of; Paddle's own layers are the definition
    cpu_ops    the same for training on the CPU in float32, by compiled loops (kernels, norm_kernels)
    dropout    masks that are functions of a key and a counter
    memory     a tensor's memory as an array; the gradient that decoder and embeddings share

The room knows no model: it takes tensors and Paddle's layers.
"""
