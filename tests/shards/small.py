"""A small corpus for several test files."""

from __future__ import annotations

from paddle_wwm.corpus.segment import SegmenterConfig
from paddle_wwm.shards.preparation.engines import EngineConfig
from paddle_wwm.shards.preparation.work_plan import PrepareConfig

ONE_WORKER = EngineConfig(num_workers=1)
WITHOUT_WORDS = PrepareConfig(segmenter=SegmenterConfig(name="none"))
TEXT = "使用语言模型来预测下一个词的probability。天气很好！\n我们在北京大学学习。\n\n这是第二个文档。\n"
