"""The fixed words of docs/evidence.md; `page.py` fills the numbers in."""

PAGE = """# What whole words do: evidence

Two models that differ in one thing are pretrained several times and fine-tuned: what is hidden in pretraining is whole words, or single
pieces. This page is written by `python -m experiments.evidence` from what its runs left; nothing in it is typed in by hand but the plans of
follow-ups, which it quotes.

State of the experiment: {status}

What is decided, each pair of models counting once (95% intervals), and the rest of the page says what that is worth:

{summary}
## How it was done

- Corpus: {corpus}
- Model: {model}.
- The arms differ in `masking.strategy` alone: `whole-word` or `piece`. Both arms of a pair have one seed, and so the same first weights, the same
  examples in the same order, the same dropout, steps and budget of hidden pieces. There are {pairs} pairs.
- Share of the tokens that was to be predicted, by run: {masked_shares}.
  (A word that would exceed an example's budget is skipped, so whole words may hide slightly less.)
- The floor, "from scratch", are the first weights of each pair, fine-tuned without any pretraining ({floor_seeds} time(s) a task).
- Every pretrained model is fine-tuned {finetuning_seeds} times a task. The seed of pretraining is the unit of the statistics: a pair counts once,
  by the means over its fine-tunings. Intervals are Student's t over the differences of the pairs.
- The checkpoint of a fine-tuning is chosen on dev, so test is the number to look at.

## Pretraining

![held-out loss and accuracy]({pretraining_picture})

The curves cannot be compared with each other: each arm is measured under its own masks, and a whole word is harder to guess than a piece whose
neighbours can be seen. The table can: both arms under both maskings, the same {evaluation_examples} held-out examples and masks for all models.
Percent: the mean over the pretraining seeds, in parentheses each of them.

{masked}
A masked word is right when all its hidden pieces are; where pieces are hidden, the rest of a word may be seen.

## Fine-tuning

Lengths, batches and epochs are not the authors', and the models are far smaller: compare the rows with each other, not with published tables.
Percent; for CMRC 2018 exact match / F1. In the picture every fine-tuning is a dot, and a line joins the means of one pair.

![test scores of every fine-tuning]({finetuning_picture})

{tasks}
CMRC 2018 is cut anew, since its train and test sets are not at hand: trial and a part of dev are trained on, and two other parts of dev, by a hash
of the passage, are dev and test; no passage is in two parts.

## Whole words minus pieces

Percentage points, from the pairs:

{differences}
"Decided": whether the interval excludes 0, and on which side.

{floor}## What this shows, and what it does not

{verdict}{shows}
## Follow-ups, written down before they were run

{follow_ups}
## Run it yourself

```text
{commands}
```

It does what is missing in the output folder, so it may be stopped and started again; `--steps`, `--seeds`, `--finetune-seeds`, `--recipe` and the
flags of each task change the scale.
"""

SHOWS = """- Each line above stands alone. Several measures are tested on the same {pairs} pairs, so one interval that excludes 0 among many is weaker
  than it looks.
- Each arm is at home under the masking that it was trained with; a lead there is expected, a lead under the other's would not be.
- {pairs} pairs make wide intervals. A difference that is not decided here is not shown to be absent.
- These are small models that read {tokens} million tokens. The authors' BERT-wwm read some 50 thousand million, and is larger: what is seen here
  need not hold there, in either direction.
- The words are LAC's, the authors' were LTP's.
"""

FOLLOW_UP = """### Follow-up {number}

{plan}

What came of it: {status}
"""

FOLLOW_UP_MODELS = """The models: {model}. Share of the tokens that was to be predicted, by run: {masked_shares}.
"""

FOLLOW_UP_PRETRAINING = """
![held-out loss and accuracy]({picture})

Both arms under both maskings, the same {evaluation_examples} held-out examples and masks for all models:

{masked}"""

FOLLOW_UP_OUTCOME = """
{tasks}
![test scores of every fine-tuning]({picture})

{differences}
{floor}{verdict}"""

WITHOUT_GAIN = {
    "equal": (
        "neither arm is decidedly ahead of models that were not pretrained at all, so at this scale it says "
        "nothing about masking."
    ),
    "below": (
        "both arms are decidedly behind models that were not pretrained at all. Which arm is ahead there "
        "says which pretraining hurts less\n"
        "  under this fine-tuning, and not that either helps."
    ),
}
WITHOUT_GAIN_IN_SHORT = {
    "equal": "On {title} neither arm is decidedly ahead of models without pretraining.",
    "below": "On {title} both arms are decidedly behind models without pretraining.",
}
