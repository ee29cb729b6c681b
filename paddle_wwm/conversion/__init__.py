"""Weights between Paddle, Hugging Face and TensorFlow, tensor by tensor; every reader treats its file as untrusted.

    source ─► sources ─► opening ─► layers ─► saving ─► new folder + conversion.json
              (which     (Paddle's  (some      (the target's
               files)     names)     layers)    names and files)

The formats stand beside each other (`pdparams`, `pytorch`, `safetensors`, `tensorflow`) and know nothing of BERT;
`names` is the one table of parameters, walked in both directions; `verify` runs two models on the same inputs. From
Python::

    from paddle_wwm.conversion.convert import convert
    from paddle_wwm.conversion.saving import Target

    convert("chinese_wwm_ext_L-12_H-768_A-12.zip", target="models/bert-wwm-ext", to=Target.PADDLE)

Neither Paddle nor PyTorch nor TensorFlow is imported, except by `verify`.
"""
