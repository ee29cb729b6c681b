"""The fixed text of docs/evidence.md; `page.py` fills in the numbers."""

PAGE = """# Does whole word masking help? Evidence

This experiment compares two ways to pretrain the same model: one masks whole words, the other masks single pieces. Both are pretrained several
times and fine-tuned. `python -m experiments.evidence` writes this page from the outputs of its runs. Nothing here is written by hand, except
the plans of follow-ups, which the page quotes.

State of the experiment: {status}

Summary of the decided differences (95% intervals; each pair of models counts once). The rest of the page explains how far they hold.

{summary}
## Method

- Corpus: {corpus}
- Model: {model}.
- The arms differ only in `masking.strategy`: `whole-word` or `piece`. Both arms of a pair have the same seed, and so the same initial weights,
  the same examples in the same order, the same dropout, the same steps and the same budget of masked pieces. There are {pairs} pairs.
- Share of tokens to predict, by run: {masked_shares}.
  (A word that would exceed the budget of an example is skipped, so whole word masking may mask slightly less.)
- The baseline, "from scratch", is the initial weights of each pair, fine-tuned without any pretraining ({floor_seeds} time(s) per task).
- Every pretrained model is fine-tuned {finetuning_seeds} times per task. The unit of the statistics is the pretraining seed: a pair counts once,
  with the means over its fine-tuning runs. Intervals are Student's t over the differences of the pairs.
- The checkpoint of a fine-tuning run is chosen on dev, so read the test scores.

## Pretraining

![held-out loss and accuracy]({pretraining_picture})

Do not compare the curves with each other. Each arm is measured under its own masks, and a whole word is harder to predict than a piece with
visible neighbours. Compare the numbers in the table instead: both arms under both maskings, on the same {evaluation_examples} held-out examples
with the same masks for all models. The numbers are percentages: the mean over the pretraining seeds, and in parentheses the value of each seed.

{masked}
A masked word is right if all its masked pieces are right. If pieces are masked, the rest of a word may be visible.

## Fine-tuning

Lengths, batch sizes and epochs differ from those of the authors, and the models are far smaller. So compare the rows with each other, not with
published tables. The scores are percentages; for CMRC 2018 they are exact match / F1. In the picture, every fine-tuning run is a dot, and a line
joins the means of one pair.

![test scores of every fine-tuning]({finetuning_picture})

{tasks}
CMRC 2018 has its own split here, because its train and test sets were not available. The models are trained on the trial set and a part of dev.
Two other parts of dev serve as dev and test. A hash of the passage decides its part, so no passage is in two parts.

## Whole words minus pieces

Differences in percentage points, over the pairs:

{differences}
"decided" is "higher" or "lower" if the interval excludes 0, else "no".

{floor}## What the results show, and what they do not show

{verdict}{shows}
## Follow-ups, planned before they were run

{follow_ups}
## Run it yourself

```text
{commands}
```

The command does what is missing in the output folder, so you can stop it and start it again. `--steps`, `--seeds`, `--finetune-seeds`,
`--recipe` and the flags of each task change the scale.
"""

SHOWS = """- Each line above stands alone. Several measures are tested on the same {pairs} pairs, so a single interval that excludes 0 among many is weaker
  evidence than it seems.
- Each arm has an advantage under the masking that it was trained with. A lead there is expected; a lead under the other masking is not.
- {pairs} pairs give wide intervals. A difference that is not decided here may still exist.
- These are small models that read {tokens} million tokens. The BERT-wwm of the authors is larger and read about 50 thousand million. The results
  here may not hold there, in either direction.
- The words here come from LAC; those of the authors came from LTP.
"""

FOLLOW_UP = """### Follow-up {number}

{plan}

Outcome: {status}
"""

FOLLOW_UP_MODELS = """Models: {model}. Share of tokens to predict, by run: {masked_shares}.
"""

FOLLOW_UP_PRETRAINING = """
![held-out loss and accuracy]({picture})

Both arms under both maskings, on the same {evaluation_examples} held-out examples with the same masks for all models:

{masked}"""

FOLLOW_UP_OUTCOME = """
{tasks}
![test scores of every fine-tuning]({picture})

{differences}
{floor}{verdict}"""

WITHOUT_GAIN = {
    "equal": (
        "neither arm has a decided lead over models without pretraining, so at this scale the task says nothing about masking."
    ),
    "below": (
        "models without pretraining have a decided lead over both arms. The difference between the arms shows which "
        "pretraining hurts less\n"
        "  under this fine-tuning. It does not show that either helps."
    ),
}
WITHOUT_GAIN_IN_SHORT = {
    "equal": "On {title}, neither arm has a decided lead over models without pretraining.",
    "below": "On {title}, models without pretraining have a decided lead over both arms.",
}
