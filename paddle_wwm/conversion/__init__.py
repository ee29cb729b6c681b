"""Convert weights between Paddle, Hugging Face and TensorFlow, tensor by tensor.

    source ─► weights.opening ─► opening ─► layers ─► saving ─► new folder + conversion.json
              (files of          (Paddle's  (some      (the target's
               tensors)           names)     layers)    names and files)

`names` has the table of parameter names, which is used in both directions. `verify` runs two models on the same inputs.
The file formats are in `weights/`. From Python::

    from paddle_wwm.conversion.convert import convert
    from paddle_wwm.conversion.saving import Target

    convert("chinese_wwm_ext_L-12_H-768_A-12.zip", target="models/bert-wwm-ext", to=Target.PADDLE)

Only `verify` imports Paddle or PyTorch; nothing imports TensorFlow.
"""
