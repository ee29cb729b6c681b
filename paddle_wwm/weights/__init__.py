"""Files of tensors, read and written: safetensors, PyTorch, Paddle's .pdparams and TensorFlow's checkpoints.

`opening` finds the files of a folder and opens them; the formats stand next to each other and know nothing of BERT.
Every reader treats its file as untrusted: no class or function that a file names is called, and every size and place
is checked before memory is taken. Neither Paddle nor PyTorch nor TensorFlow is imported.
"""
