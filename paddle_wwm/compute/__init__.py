"""How a model's arithmetic is computed: which way is taken is decided in `choice`, and nowhere else.

    ops            the operations that BERT is made of; Paddle's own layers are the definition
    cpu_ops        the same for training on the CPU in float32, by compiled loops (kernels, norm_kernels)
    dropout        masks that are functions of a key and a counter
    tied_gradient  the gradient of word embeddings that a decoder shares
    memory         a tensor's memory as an array

The room knows no model: it takes tensors and Paddle's layers.
"""
