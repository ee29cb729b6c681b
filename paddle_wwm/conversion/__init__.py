"""Weights between Paddle, Hugging Face and TensorFlow, tensor by tensor.

    source ─► weights.opening ─► opening ─► layers ─► saving ─► new folder + conversion.json
              (files of          (Paddle's  (some      (the target's
               tensors)           names)     layers)    names and files)

`names` is the one table of parameters, walked in both directions; `verify` runs two models on the same inputs. The
formats of files lie in `weights/`. From Python::

    from paddle_wwm.conversion.convert import convert
    from paddle_wwm.conversion.saving import Target

    convert("chinese_wwm_ext_L-12_H-768_A-12.zip", target="models/bert-wwm-ext", to=Target.PADDLE)

Neither Paddle nor PyTorch nor TensorFlow is imported, except by `verify`.
"""
