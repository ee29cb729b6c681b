"""BERT in Paddle, with the parameter names and shapes that PaddleNLP reads."""
